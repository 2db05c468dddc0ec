import type { Node } from '../../onnx/index.js';
import { convAttributes, type PoolAttributes, poolAttributes, resolvePads } from '../../onnx/ops/index.js';

/** A sliding window as an internal operator carries it: everything explicit, pads all begins, then all ends. */
export interface WindowGeometry {
  readonly kernel_shape: readonly number[];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
}

export interface ConvGeometry extends WindowGeometry {
  readonly group: number;
}

export function convGeometry(node: Node, xShape: readonly number[], wShape: readonly number[]): ConvGeometry {
  const a = convAttributes(node, wShape.slice(2));
  const pads = resolvePads(a, xShape.slice(2));
  return { kernel_shape: a.kernel, strides: a.strides, pads, dilations: a.dilations, group: a.groups };
}

export function poolGeometry(
  node: Node,
  xShape: readonly number[],
): WindowGeometry & { readonly attributes: PoolAttributes } {
  const a = poolAttributes(node);
  const pads = resolvePads(a, xShape.slice(2));
  return { kernel_shape: a.kernel, strides: a.strides, pads, dilations: a.dilations, attributes: a };
}

/** The geometry an internal operator was given. */
export function geometryOf(node: Node): ConvGeometry {
  const list = (name: string): readonly number[] => {
    const value = node.ints(name);
    if (!value) throw new Error(`${node.describe()} lacks ${name}`);
    return value;
  };
  return {
    kernel_shape: list('kernel_shape'),
    strides: list('strides'),
    pads: list('pads'),
    dilations: node.ints('dilations') ?? list('kernel_shape').map(() => 1),
    group: node.int('group', 1),
  };
}
