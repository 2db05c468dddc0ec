import { createHash } from 'node:crypto';
import type { Tensor } from '../onnx/index.js';

/** SHA-256 of the tensor's little-endian elements, as hex: how a file proves that a frozen tensor never moved. */
export function tensorSha256(tensor: Tensor): string {
  return createHash('sha256').update(tensor.bytes()).digest('hex');
}
