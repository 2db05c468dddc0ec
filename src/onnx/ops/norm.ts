/** Attributes of the normalizations, with the defaults of the specification, which are float32. */
import type { Node } from '../ir/node.js';
import { refuse } from './fail.js';

export interface BatchNormAttributes {
  readonly epsilon: number;
  /** New running = momentum · old + (1 - momentum) · batch. */
  readonly momentum: number;
  /** Opset 14 up: the attribute; opset 7 and 9: more than one output. */
  readonly training: boolean;
  /** Opset 1-7: 0 normalizes per activation, with parameters of the input's shape without its batch axis. */
  readonly spatial: boolean;
}

/** BatchNormalization (7, 9, 14, 15): X [N,C,…], scale, bias, mean, var [C]. */
export function batchNormAttributes(node: Node, opset: number): BatchNormAttributes {
  const named = node.outputs.filter((o) => o.name !== '').length;
  return {
    epsilon: node.float('epsilon', Math.fround(1e-5)),
    momentum: node.float('momentum', Math.fround(0.9)),
    training: opset >= 14 ? node.int('training_mode', 0) !== 0 : named > 1,
    spatial: opset >= 9 || node.int('spatial', 1) !== 0,
  };
}

/** InstanceNormalization (6, 22): X [N,C,…], scale, bias [C]. */
export function instanceNormAttributes(node: Node): { readonly epsilon: number } {
  return { epsilon: node.float('epsilon', Math.fround(1e-5)) };
}

/** LayerNormalization (17): over the axes from `axis` on; scale and bias broadcast to them. */
export function layerNormAttributes(node: Node): { readonly axis: number; readonly epsilon: number } {
  return { axis: node.int('axis', -1), epsilon: node.float('epsilon', Math.fround(1e-5)) };
}

/** GroupNormalization: scale and bias are per group in opset 18, per channel from 21. */
export function groupNormAttributes(node: Node): { readonly groups: number; readonly epsilon: number } {
  const groups = node.int('num_groups', 0);
  if (groups < 1) refuse(node, 'attribute num_groups', 'at least 1', `${groups}`);
  return { groups, epsilon: node.float('epsilon', Math.fround(1e-5)) };
}

/** LRN (1, 13): y = x / (bias + alpha / size · Σ x²) ^ beta, the sum over `size` neighbouring channels. */
export function lrnAttributes(node: Node): {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly bias: number;
} {
  const size = node.int('size', 0);
  if (size < 1) refuse(node, 'attribute size', 'at least 1', `${size}`);
  return {
    size,
    alpha: node.float('alpha', Math.fround(1e-4)),
    beta: node.float('beta', 0.75),
    bias: node.float('bias', 1),
  };
}
