import type { GraphBuilder, Value } from '../../onnx/index.js';
import type { Parameter } from './prepare.js';
import { type StateInput, stateInput } from './state.js';

/**
 * A parameter as the step graph holds it. Gradient transforms and optimizers work on 1-D tensors: element-wise kernels
 * broadcast a scalar over trailing axes of 1 one element at a time.
 */
export interface FlatParameter {
  /** Of the initializer. */
  readonly name: string;
  /** The 1-D graph input. */
  readonly state: StateInput;
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
    b.scope(name, () => b.op('Reshape', [state.value, b.i64(dims)], {}, { name: 'shaped' })),
  );
  graph.replaceUses(value, shaped);
  graph.removeInput(value);
  return { name, state, gradientOf: shaped, decays: dims.length > 1 };
}

/** A parameter and its gradient as gradient transforms hand it on: 1-D, as long as the parameter. */
export interface Gradient {
  readonly parameter: FlatParameter;
  readonly value: Value;
}

/** The gradients in the layout of the optimizer; zeros for a parameter that has none. */
export function flatGradients(
  b: GraphBuilder,
  parameters: readonly FlatParameter[],
  gradientOf: (v: Value) => Value,
): Gradient[] {
  return parameters.map((parameter) => {
    const size = parameter.state.initial.dims[0];
    const value = b.scope(parameter.name, () =>
      parameter.gradientOf
        ? b.op('Reshape', [gradientOf(parameter.gradientOf), b.i64([size])], {}, { name: 'grad' })
        : b.f32(new Float32Array(size)),
    );
    return { parameter, value };
  });
}
