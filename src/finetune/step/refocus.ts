import { eliminateDeadNodes, type GraphBuilder, sizeOf, Tensor, type Value } from '../../onnx/index.js';
import { gramMatrices, type RefConvShape, refConvDelta, toFloat64 } from '../../reparam/index.js';
import { emitInternal, typeLike } from '../autodiff/internal.js';
import type { KernelForm } from './forms.js';
import type { FlatParameter } from './parameters.js';
import type { RefocusedKernel } from './prepare.js';
import { type StateInput, stateInput } from './state.js';

/** A map that a step trains in the Gram form: W_r = α·R₀ + Z·Uᵀ. */
export interface GramLayer {
  readonly layer: string;
  /** The initializer that holds W_r. */
  readonly map: string;
  /** W_b. */
  readonly base: Tensor;
  /** R₀, W_r at the start. */
  readonly r0: Tensor;
  readonly shape: RefConvShape;
  /** Names of the state tensors. */
  readonly alpha: string;
  readonly z: string;
}

/** Names of the state that stands for a map. */
export function zOf(map: string): string {
  return `${map}/z`;
}
export function alphaOf(map: string): string {
  return `${map}/alpha`;
}

/**
 * Replaces the sub-graphs that compute refocused kernels by internal operators, each in its form. Maps in the explicit
 * form stay inputs of the graph; those in the Gram form go, and α and Z take their place.
 * @returns by the map, what is trained in place of it
 */
export function refocusKernels(
  b: GraphBuilder,
  forms: ReadonlyMap<RefocusedKernel, KernelForm>,
): Map<Value, { readonly layer: GramLayer; readonly parameters: readonly FlatParameter[] }> {
  const gram = new Map<Value, ReturnType<typeof gramKernel>>();
  for (const [kernel, form] of forms)
    b.scope(kernel.layer, () => {
      const base = b.constant(kernel.base, `${kernel.layer}/base`);
      if (form === 'explicit') replaceKernel(b, kernel, () => explicitKernel(b, kernel, base));
      else gram.set(kernel.map.value, gramKernel(b, kernel, base));
    });
  eliminateDeadNodes(b.graph);
  for (const map of gram.keys()) b.graph.removeInput(map);
  return gram;
}

function replaceKernel(b: GraphBuilder, { kernel }: RefocusedKernel, emit: () => Value): Value {
  const { producer } = kernel;
  if (!producer) throw new Error(`'${kernel.name}' is not computed`);
  const replacement = b.at({ after: producer }, emit);
  b.graph.replaceUses(kernel, replacement);
  return replacement;
}

function explicitKernel(b: GraphBuilder, { base, map, shape }: RefocusedKernel, value: Value): Value {
  const attributes = { group: shape.groups, channels: shape.channels };
  return emitInternal(b, 'RefocusKernel', [value, map.value], [typeLike(value, base.dims)], attributes)[0];
}

function gramKernel(
  b: GraphBuilder,
  kernel: RefocusedKernel,
  value: Value,
): { readonly layer: GramLayer; readonly parameters: readonly FlatParameter[] } {
  const { layer, base, map, shape } = kernel;
  const [w, r0] = [toFloat64(base), toFloat64(map.initial)];
  const area = sizeOf(shape.kernel);
  const gram = Tensor.float32([shape.groups, area, area], Float32Array.from(gramMatrices(w, shape)));
  const k = b.constant(gram, `${layer}/gram`);
  const p0 = b.constant(
    Tensor.float32(base.dims, Float32Array.from(refConvDelta(w, r0, shape))),
    `${layer}/start`,
  );
  const name = map.value.name;
  const { dims, size } = base;
  const z = stateInput(b, {
    name: zOf(name),
    kind: 'parameter',
    dims,
    initial: Tensor.derivedFloat32([size], () => new Float32Array(size)),
  });
  const alpha = stateInput(b, {
    name: alphaOf(name),
    kind: 'parameter',
    dims: [1],
    initial: Tensor.float32([1], [1]),
  });
  const [first] = b.graph.nodes;
  const shaped = b.at({ before: first }, () => b.op('Reshape', [z.value, b.i64(dims)], {}, { name: 'z' }));
  const transformed = replaceKernel(
    b,
    kernel,
    () => emitInternal(b, 'GramKernel', [value, p0, shaped, alpha.value, k], [typeLike(value, dims)])[0],
  );
  // What holds for the map holds for what stands for it, α of rank 1 included.
  const parameter = (state: StateInput, read: Value, gradientOf: Value | undefined): FlatParameter => ({
    name,
    state,
    shaped: read,
    gradientOf,
    decays: true,
  });
  return {
    layer: { layer, map: name, base, r0: map.initial, shape, alpha: alpha.name, z: z.name },
    parameters: [
      {
        ...parameter(z, shaped, transformed),
        squaredNorm: (builder, gradient) => squaredMapNorm(builder, gradient, gram, shape),
      },
      parameter(alpha, alpha.value, undefined),
    ],
  };
}

/** tr(D·K·Dᵀ) of the gradient of W_t, 1-D in the order of the kernels: the squared norm of the map's gradient D·Uᵀ. */
function squaredMapNorm(
  b: GraphBuilder,
  gradient: Value,
  gram: Tensor,
  { groups, channels, kernel }: RefConvShape,
): Value {
  const d = b.op('Reshape', [gradient, b.i64([groups, channels, sizeOf(kernel)])]);
  // A lowering may have dropped the constant that the forward pass was given.
  const k = b.constant(gram);
  return b.op('ReduceSum', [b.op('Mul', [b.op('MatMul', [d, k]), d])], { keepdims: 0 });
}
