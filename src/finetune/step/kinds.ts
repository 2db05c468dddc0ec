import type { Node } from '../../onnx/index.js';

/**
 * The operator of a node, with its domain where that is not ai.onnx; of convolutions also the kind, by their kernels
 * [O, C/g, k…]: depthwise (one channel per group), grouped, 1×1, dense.
 */
export function kindOf(node: Node): string {
  const name = node.domain === '' ? node.opType : `${node.domain}.${node.opType}`;
  const kernel = /Conv(Transpose)?$/.test(node.opType) ? node.inputs[1]?.shape : undefined;
  if (!kernel || kernel.length < 3) return name;
  const group = node.int('group', 1);
  // ConvTranspose has [C, O/g, k…].
  const perGroup = node.opType === 'ConvTranspose' ? kernel[0] / group : kernel[1];
  if (group > 1) return `${name}, ${perGroup === 1 ? 'depthwise' : 'grouped'}`;
  return `${name}, ${
    kernel.slice(2).every((k) => k === 1)
      ? kernel
          .slice(2)
          .map(() => 1)
          .join('×')
      : 'dense'
  }`;
}
