import { Tensor, type Value } from '../../onnx/index.js';
import type { StepContext } from '../optim/optimizer.js';
import { beginUpdate, type OptimizerOptions } from '../optim/table.js';
import type { Gradient } from './parameters.js';
import { type StateUpdate, stateInput, updated } from './state.js';

export interface UpdateOptions {
  readonly optimizer: OptimizerOptions;
  readonly weightDecay: number;
  /** Weight decay also on rank-1 parameters (BatchNormalization scale and bias, biases). */
  readonly decayAll: boolean;
  /** Factors on the learning rate, by initializer name; 1 where there is none. */
  readonly lrFactors?: ReadonlyMap<string, number>;
  /** Weight decay by initializer name, in place of the common one. */
  readonly decays?: ReadonlyMap<string, number>;
}

/** The optimizer's step: each parameter, followed by its slots. */
export function updateParameters(
  context: StepContext,
  gradients: readonly Gradient[],
  lr: Value,
  options: UpdateOptions,
): StateUpdate[] {
  const { b, pace, shared } = context;
  const rule = beginUpdate(options.optimizer, context);
  const now = pace.only(lr);
  const common = (decays: boolean): number => (options.decayAll || decays ? options.weightDecay : 0);
  return gradients.flatMap(({ parameter, value: gradient }) => {
    const { name, state } = parameter;
    const factor = options.lrFactors?.get(name) ?? 1;
    const rate =
      factor === 1
        ? now
        : shared(now, `* ${factor}`, () => b.op('Mul', [now, b.f32(factor)], {}, { name: 'lr' }));
    return b.scope(name, () => {
      const slots: StateUpdate[] = [];
      const next = rule({
        parameter: state.value,
        gradient,
        lr: rate,
        weightDecay: options.decays?.get(name) ?? common(parameter.decays),
        slot: (kind, change, initial = 0) => {
          const { dims, size } = state.initial;
          const start = Tensor.derivedFloat32(dims, () => new Float32Array(size).fill(initial));
          const slot = stateInput(b, { ...state, kind, initial: start });
          const after = change(slot.value);
          slots.push(updated(slot, after));
          return after;
        },
      });
      return [updated(state, next), ...slots];
    });
  });
}
