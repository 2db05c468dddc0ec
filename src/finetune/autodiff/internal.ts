import {
  type AttributeInit,
  type GraphBuilder,
  type InferNode,
  type Node,
  tensorType,
  type Value,
  type ValueType,
} from '../../onnx/index.js';
import { inferNode } from '../../onnx/infer/index.js';

/**
 * What autodiff says and lowering decides how to compute. Autodiff works on the plain NCHW graph; where a gradient has
 * several formulations (layouts, devices), it emits one of these operators and a lowering replaces it by operators
 * that the engine runs. They live in a domain of their own and never reach a file.
 *
 * | op | inputs | outputs |
 * |---|---|---|
 * | ConvInputGrad | dY [N,O,…], W [O,C/g,k…] | dX, of `shape` |
 * | ConvWeightGrad | dY [N,O,…], X [N,C,…] | dW [O,C/g,k…] |
 * | BatchNormTrain | X [N,C,…], γ [C], β [C], a guess of the mean [C] (optional; no result depends on it) | Y, batch mean [C], biased batch variance [C] |
 * | BatchNormTrainGrad | dY, X, γ, mean, variance | dX, dγ, dβ |
 * | ReluGrad | dY, Y | dX = dY where Y > 0, else 0 |
 * | ClipGrad | dY, Y | dX = dY where min < Y < max, else 0 (torch's hardtanh; `min`, `max` may be absent) |
 * | HardSwishGrad | dY, X | dX = 0 at X ≤ −3, dY·(X/3 + 1/2) between, dY at X ≥ 3 |
 * | MaxPoolGrad | dY, X, Y | dX; a tie goes to the first maximum of the window, row by row, as in PyTorch |
 * | AveragePoolGrad | dY | dX, of `shape` |
 * | RefocusKernel | W_b [O,C/g,k…] (constant), W_r [n,n/G,m…] | W_t [O,C/g,k…] = W_b + R·U; `group` G, `channels` n/G |
 * | RefocusMapGrad | W_b, dW_t | dW_r = dW_t·Uᵀ, of `shape` [n,n/G,m…]; `group`, `channels` |
 * | GramKernel | W_b, P₀ [O,C/g,k…] (constant), Z [O,C/g,k…], α [1], K [G,k²,k²] (constant) | W_t [O,C/g,k…] = W_b + α·P₀ + Z·K |
 *
 * The last three are RefConv (src/reparam/algebra: refconv.ts explicit, gram.ts the Gram form). Kernels are n = O·C/g
 * rows of k² values in the order of W_b, n/G rows to a group. W_b is frozen and gets no gradient. GramKernel has no
 * gradient rule, because it needs none: by definition of the form Z is trained with the gradient of W_t itself, not
 * times K, and α with 0.
 */
export const INTERNAL_DOMAIN = 'reparam.train';

export const INTERNAL_OPS = [
  'ConvInputGrad',
  'ConvWeightGrad',
  'BatchNormTrain',
  'BatchNormTrainGrad',
  'ReluGrad',
  'ClipGrad',
  'HardSwishGrad',
  'MaxPoolGrad',
  'AveragePoolGrad',
  'RefocusKernel',
  'RefocusMapGrad',
  'GramKernel',
] as const;

export type InternalOp = (typeof INTERNAL_OPS)[number];

export function isInternal(node: Node): boolean {
  return node.domain === INTERNAL_DOMAIN;
}

export function isInternalOp(name: string): name is InternalOp {
  return INTERNAL_OPS.some((op) => op === name);
}

/** Types of emitted nodes, for a builder; internal operators bring their own. */
export const inferTrained: InferNode = (node, opset) =>
  isInternal(node) ? node.outputs.map((o) => o.type) : inferNode(node, opset);

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
