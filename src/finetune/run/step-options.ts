import type { OptimizerOptions } from '../optim/table.js';
import type { OptimOptions } from '../options.js';
import type { TrainStepOptions } from '../step/build.js';

/** What a run's options say about its step graph. */
export function stepOptions(
  options: OptimOptions,
): Pick<
  TrainStepOptions,
  'optimizer' | 'weightDecay' | 'decayAll' | 'loss' | 'bn' | 'dropout' | 'accumulate' | 'clip' | 'average'
> {
  const {
    weightDecay,
    decayAll,
    labelSmoothing,
    bn,
    dropout,
    accumulate,
    clipValue,
    clipNorm,
    ema,
    emaWarmup,
  } = options;
  return {
    optimizer: optimizerOf(options),
    weightDecay,
    decayAll,
    loss: { kind: 'cross-entropy', labelSmoothing },
    bn,
    dropout,
    accumulate,
    clip: {
      ...(clipValue === undefined ? {} : { value: clipValue }),
      ...(clipNorm === undefined ? {} : { norm: clipNorm }),
    },
    ...(ema === undefined ? {} : { average: { decay: ema, warmup: emaWarmup } }),
  };
}

export function optimizerOf(options: OptimOptions): OptimizerOptions {
  const {
    optimizer: kind,
    momentum,
    nesterov,
    dampening,
    beta1,
    beta2,
    alpha,
    epsilon,
    rmspropStyle,
  } = options;
  switch (kind) {
    case 'sgd':
      return { kind, momentum, nesterov, dampening };
    case 'adam':
    case 'adamw':
      return { kind, betas: [beta1, beta2], epsilon };
    case 'rmsprop':
      return { kind, alpha, epsilon, momentum, style: rmspropStyle };
  }
}
