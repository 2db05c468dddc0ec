/**
 * The runtime's own domain of operators on blocked tensors: NCHW with the channels in blocks of B, in memory
 * [N, C/B, H, W, B], declared [N, Cp, H, W] with Cp = C rounded up to B. (CPU provider; not part of ONNX.)
 */
export const NCHWC_DOMAIN = 'com.microsoft.nchwc';

export function roundUp(channels: number, block: number): number {
  return Math.ceil(channels / block) * block;
}
