/**
 * Blocks that train as parallel branches and are deployed as one convolution (Ding et al., RepVGG, 2021,
 * arXiv:2101.03697): convolutions with BatchNormalization, a 1x1 one beside them, and a BatchNormalization of the input
 * where the block keeps the dims; their sum. The deployed form is what fusing makes of it, a convolution with a bias.
 */
import type { Value } from '../onnx/index.js';
import type { Init } from './init.js';
import type { ConvInit, Network } from './network.js';

/** `training`: with its branches. `deploy`: fused. */
export type BranchForm = 'training' | 'deploy';

export interface BranchBlock extends Omit<ConvInit, 'init' | 'bias' | 'padding' | 'groups'> {
  readonly groups: number;
  readonly stride: number;
  /** Names of the branches with the block's kernel; at least one. */
  readonly convolutions: readonly string[];
  /** Name of the 1x1 branch; undefined: none. */
  readonly pointwise: string | undefined;
}

/** The sum of the branches, or the one convolution. x: [N, in, H, W] → [N, out, ⌈H/stride⌉, ⌈W/stride⌉] */
export function branchBlock(
  net: Network,
  path: string,
  x: Value,
  form: BranchForm,
  block: BranchBlock,
): Value {
  const { convolutions, pointwise, ...layer } = block;
  // Without BatchNormalization PyTorch's default would let the signal die out over the layers.
  if (form === 'deploy')
    return net.conv(`${path}.reparam_conv`, x, { ...layer, bias: true, init: { kind: 'he', fan: 'in' } });
  const branch = (name: string, kernel: number): Value => {
    const conv = net.conv(`${path}.${name}.conv`, x, {
      ...layer,
      kernel,
      init: pytorchDefault(layer, kernel),
    });
    return net.batchNorm(`${path}.${name}.bn`, conv, layer.out);
  };
  const branches = convolutions.map((name) => branch(name, layer.kernel));
  if (pointwise !== undefined) branches.unshift(branch(pointwise, 1));
  if (layer.in === layer.out && layer.stride === 1)
    branches.push(net.batchNorm(`${path}.identity`, x, layer.out));
  const [first, ...others] = branches;
  return others.reduce((sum, y, i) => net.add(`${path}.add.${i}`, sum, y), first);
}

/** What PyTorch fills a layer with: evenly in ±1/√fan_in. */
export function pytorchDefault(
  layer: { readonly in: number; readonly groups: number },
  kernel: number,
): Init {
  return { kind: 'uniform', bound: 1 / Math.sqrt((layer.in / layer.groups) * kernel ** 2) };
}
