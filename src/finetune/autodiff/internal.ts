import {
  type AttributeInit,
  type GraphBuilder,
  type Node,
  tensorType,
  type Value,
  type ValueType,
} from '../../onnx/index.js';

/**
 * What autodiff says and lowering decides how to compute. Autodiff works on the plain NCHW graph; where a gradient has
 * several formulations (layouts, devices), it emits one of these operators and a lowering replaces it by operators
 * that the engine runs. They live in a domain of their own and never reach a file.
 *
 * | op | inputs | outputs |
 * |---|---|---|
 * | ConvInputGrad | dY [N,O,…], W [O,C/g,k…] | dX, of `shape` |
 * | ConvWeightGrad | dY [N,O,…], X [N,C,…] | dW [O,C/g,k…] |
 * | BatchNormTrain | X [N,C,…], γ [C], β [C] | Y, batch mean [C], biased batch variance [C] |
 * | BatchNormTrainGrad | dY, X, γ, mean, variance | dX, dγ, dβ |
 * | ReluGrad | dY, Y | dX = dY where Y > 0, else 0 |
 * | ClipGrad | dY, Y | dX = dY where min < Y < max, else 0 (torch's hardtanh; `min`, `max` may be absent) |
 * | MaxPoolGrad | dY, X, Y | dX; a tie goes to the first maximum of the window, row by row, as in PyTorch |
 * | AveragePoolGrad | dY | dX, of `shape` |
 */
export const INTERNAL_DOMAIN = 'reparam.train';

export const INTERNAL_OPS = [
  'ConvInputGrad',
  'ConvWeightGrad',
  'BatchNormTrain',
  'BatchNormTrainGrad',
  'ReluGrad',
  'ClipGrad',
  'MaxPoolGrad',
  'AveragePoolGrad',
] as const;

export type InternalOp = (typeof INTERNAL_OPS)[number];

export function isInternal(node: Node): boolean {
  return node.domain === INTERNAL_DOMAIN;
}

export function isInternalOp(name: string): name is InternalOp {
  return INTERNAL_OPS.some((op) => op === name);
}

/** Emits an internal operator whose outputs have the types of `like`. */
export function emitInternal(
  b: GraphBuilder,
  op: InternalOp,
  inputs: readonly (Value | undefined)[],
  like: readonly (ValueType | undefined)[],
  attributes: Readonly<Record<string, AttributeInit>> = {},
): readonly Value[] {
  const node = b.node(op, inputs, attributes, { domain: INTERNAL_DOMAIN, outputs: like.length });
  for (let i = 0; i < like.length; i++) node.outputs[i].type = like[i];
  return node.outputs;
}

/** float32 (or what `of` has) with these dims. */
export function typeLike(of: Value, dims: readonly number[]): ValueType {
  return tensorType(of.type?.kind === 'tensor' ? of.type.dataType : 'float32', dims);
}
