import { type GraphBuilder, Tensor, type Value } from '../../onnx/index.js';
import { everyStep } from '../optim/pace.js';
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
}

/** The optimizer's step: each parameter, followed by its slots (from 0). */
export function updateParameters(
  b: GraphBuilder,
  gradients: readonly Gradient[],
  lr: Value,
  options: UpdateOptions,
): StateUpdate[] {
  const rule = beginUpdate(options.optimizer, { b, pace: everyStep(b) });
  return gradients.flatMap(({ parameter, value: gradient }) =>
    b.scope(parameter.name, () => {
      const { name, state } = parameter;
      const factor = options.lrFactors?.get(name) ?? 1;
      const slots: StateUpdate[] = [];
      const next = rule({
        parameter: state.value,
        gradient,
        lr: factor === 1 ? lr : b.op('Mul', [lr, b.f32(factor)], {}, { name: 'lr' }),
        weightDecay: options.decayAll || parameter.decays ? options.weightDecay : 0,
        slot: (kind, change) => {
          const { dims, initial } = state;
          const zeros = Tensor.float32(initial.dims, new Float32Array(initial.size));
          const slot = stateInput(b, { name, kind, dims, initial: zeros });
          const after = change(slot.value);
          slots.push(updated(slot, after));
          return after;
        },
      });
      return [updated(state, next), ...slots];
    }),
  );
}
