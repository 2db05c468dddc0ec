import { type GraphBuilder, sizeOf, Tensor, type Value } from '../../onnx/index.js';
import { inDims } from '../in-dims.js';
import { packedDims, packKernel, unpackInGraph } from '../lowering/blocked/kernel.js';
import type { LoweredParameter, Lowering } from '../lowering/lowering.js';
import type { Parameter } from './prepare.js';
import { type StateInput, stateInput } from './state.js';

/**
 * A parameter as the step graph holds it. Gradient transforms and optimizers work on 1-D tensors: element-wise kernels
 * broadcast a scalar over trailing axes of 1 one element at a time.
 */
export interface FlatParameter {
  /** Of the initializer that it is, or that is made from it: what learning rates and groups go by. */
  readonly name: string;
  /** The 1-D graph input. */
  readonly state: StateInput;
  /** The state in the dims that the network reads; a lowering may have it stored in another layout. */
  readonly shaped: Value;
  /**
   * The value whose gradient is this parameter's: what the network reads of it, or a value that changes with it in such
   * a way that the optimizer takes that gradient for its own. Undefined: the gradient is 0.
   */
  readonly gradientOf: Value | undefined;
  /** Whether weight decay is for it although {@link UpdateOptions.decayAll} is off. */
  readonly decays: boolean;
  /**
   * The squared norm of its gradient (1-D) as it counts in the global norm, a scalar. Default: the sum of squares.
   */
  readonly squaredNorm?: (b: GraphBuilder, gradient: Value) => Value;
}

/** Gives a parameter a 1-D graph input, reshaped where the network reads it. */
export function flattenParameter(b: GraphBuilder, { value, initial }: Parameter): FlatParameter {
  const { graph } = b;
  const { name } = value;
  const { dims, size } = initial;
  const first = graph.nodes[0];
  const state = stateInput(b, { name, kind: 'parameter', dims, initial: initial.with({ dims: [size] }) });
  const shaped = b.at(first ? { before: first } : 'end', () =>
    b.scope(name, () => inDims(b, state.value, dims, 'shaped')),
  );
  graph.replaceUses(value, shaped);
  graph.removeInput(value);
  return { name, state, shaped, gradientOf: shaped, decays: dims.length > 1 };
}

/** A parameter after lowering, with its gradient in the dims and layout of its state; undefined: 0. */
export interface LoweredGradient {
  readonly parameter: FlatParameter;
  readonly gradient: Value | undefined;
}

/** Lowers the graph; kernels whose layout it changes get their state in that layout. */
export function lowerParameters(
  b: GraphBuilder,
  lowering: Lowering,
  parameters: readonly FlatParameter[],
  gradientOf: (v: Value) => Value,
): LoweredGradient[] {
  const trained = parameters.flatMap((parameter) => {
    const { gradientOf: of, shaped } = parameter;
    return of ? [{ parameter, value: shaped, gradient: gradientOf(of) }] : [];
  });
  const lowered = lowering.lower(b, trained);
  const at = new Map(trained.map(({ parameter }, i) => [parameter, lowered[i]]));
  return parameters.map((parameter) => {
    const result = at.get(parameter);
    return result
      ? { parameter: storeAs(b, parameter, result), gradient: result.gradient }
      : { parameter, gradient: undefined };
  });
}

/** A value in the layout of the parameter's state, in the order and dims of the initializer. */
export function inOrder(b: GraphBuilder, { state }: FlatParameter, v: Value): Value {
  return state.layout ? b.op('Reshape', [unpackInGraph(b, state.layout, v), b.i64(state.dims)]) : v;
}

/** The parameter as a lowering left it: with a layout its state holds packed elements. */
function storeAs(
  b: GraphBuilder,
  parameter: FlatParameter,
  { value, layout }: LoweredParameter,
): FlatParameter {
  if (!layout) return parameter;
  const { graph } = b;
  const { state, squaredNorm } = parameter;
  const { initial } = state;
  const packedInitial = Tensor.derivedFloat32([sizeOf(packedDims(layout))], () => {
    const plain = initial.typed();
    if (!(plain instanceof Float32Array)) throw new Error(`'${parameter.name}' is no float32 kernel`);
    return packKernel(layout, plain);
  });
  if (parameter.shaped.producer) graph.removeNode(parameter.shaped.producer);
  graph.removeInput(state.value);
  const packed = stateInput(b, { ...state, initial: packedInitial, layout });
  const [first] = graph.nodes;
  const dims = packedDims(layout);
  const shaped = b.at({ before: first }, () =>
    b.scope(parameter.name, () => b.op('Reshape', [packed.value, b.i64(dims)], {}, { name: 'shaped' })),
  );
  graph.replaceUses(value, shaped);
  graph.removeInput(value);
  return {
    ...parameter,
    state: packed,
    ...(squaredNorm
      ? {
          squaredNorm: (at, gradient) => {
            const whole = unpackInGraph(at, layout, at.op('Reshape', [gradient, at.i64(dims)]));
            return squaredNorm(at, at.op('Reshape', [whole, at.i64([sizeOf(layout.dims)])]));
          },
        }
      : {}),
  };
}

/** A parameter and its gradient as gradient transforms hand it on: 1-D, as long as the parameter. */
export interface Gradient {
  readonly parameter: FlatParameter;
  readonly value: Value;
}

/** The gradients as 1-D tensors in the layout of the state; zeros for a parameter that has none. */
export function flatGradients(b: GraphBuilder, lowered: readonly LoweredGradient[]): Gradient[] {
  return lowered.map(({ parameter, gradient }) => {
    const size = parameter.state.initial.dims[0];
    const value = b.scope(parameter.name, () =>
      gradient ? inDims(b, gradient, [size], 'grad') : b.f32(new Float32Array(size)),
    );
    return { parameter, value };
  });
}
