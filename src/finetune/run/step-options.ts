import type { OptimOptions } from '../options.js';
import type { TrainStepOptions } from '../step/build.js';

/** What a run's options say about its step graph. */
export function stepOptions({
  momentum,
  nesterov,
  weightDecay,
  decayAll,
  labelSmoothing,
  bn,
  dropout,
}: OptimOptions): Pick<
  TrainStepOptions,
  'optimizer' | 'weightDecay' | 'decayAll' | 'loss' | 'bn' | 'dropout'
> {
  return {
    optimizer: { kind: 'sgd', momentum, nesterov, dampening: 0 },
    weightDecay,
    decayAll,
    loss: { kind: 'cross-entropy', labelSmoothing },
    bn,
    dropout,
  };
}
