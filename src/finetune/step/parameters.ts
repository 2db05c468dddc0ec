import { type GraphBuilder, Tensor, tensorType, type Value } from '../../onnx/index.js';
import { type SgdOptions, sgd } from '../optim/sgd.js';
import type { Parameter } from './prepare.js';
import type { StateUpdate } from './state.js';

/**
 * A parameter as the step graph holds it. The optimizer works on 1-D tensors: element-wise kernels broadcast a scalar
 * over trailing axes of 1 one element at a time.
 */
export interface FlatParameter {
  /** Of the initializer. */
  readonly name: string;
  /** The 1-D graph input. */
  readonly flat: Value;
  /** What the network reads. */
  readonly shaped: Value;
  readonly initial: Tensor;
}

/** Gives a parameter a 1-D graph input, reshaped where the network reads it. */
export function flattenParameter(b: GraphBuilder, { value, initial }: Parameter): FlatParameter {
  const { graph } = b;
  const name = value.name;
  const first = graph.nodes[0];
  const flat = graph.addInput(graph.uniqueName(`${name}/parameter`), tensorType('float32', [initial.size]));
  const shaped = b.at(first ? { before: first } : 'end', () =>
    b.scope(name, () => b.op('Reshape', [flat, b.i64(initial.dims)], {}, { name: 'shaped' })),
  );
  graph.replaceUses(value, shaped);
  graph.removeInput(value);
  return { name, flat, shaped, initial };
}

export interface UpdateOptions extends SgdOptions {
  readonly weightDecay: number;
  /** Weight decay also on rank-1 parameters (BatchNormalization scale and bias, biases). */
  readonly decayAll: boolean;
  /** Factors on the learning rate, by initializer name; 1 where there is none. */
  readonly lrFactors?: ReadonlyMap<string, number>;
}

/** The optimizer's step for one parameter: the parameter, and with momentum its slot (from 0). */
export function updateParameter(
  b: GraphBuilder,
  { name, flat, initial }: FlatParameter,
  gradient: Value,
  lr: Value,
  options: UpdateOptions,
): StateUpdate[] {
  const { graph } = b;
  const { dims, size } = initial;
  return b.scope(name, () => {
    const flatGradient = b.op('Reshape', [gradient, b.i64([size])], {}, { name: 'grad' });
    const slot =
      options.momentum === 0
        ? undefined
        : graph.addInput(graph.uniqueName(`${name}/momentum`), tensorType('float32', [size]));
    const decay = options.decayAll || dims.length > 1 ? options.weightDecay : 0;
    const factor = options.lrFactors?.get(name) ?? 1;
    const rate = factor === 1 ? lr : b.op('Mul', [lr, b.f32(factor)], {}, { name: 'lr' });
    const next = sgd(b, flat, flatGradient, slot, rate, decay, options);
    const start = initial.with({ dims: [size] });
    const updates: StateUpdate[] = [
      { name, kind: 'parameter', dims, input: flat.name, initial: start, next: next.parameter },
    ];
    if (slot && next.momentum) {
      const zeros = Tensor.float32([size], new Float32Array(size));
      updates.push({ name, kind: 'momentum', dims, input: slot.name, initial: zeros, next: next.momentum });
    }
    return updates;
  });
}
