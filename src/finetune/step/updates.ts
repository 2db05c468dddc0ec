import type { GraphBuilder, Value } from '../../onnx/index.js';
import type { Lowering } from '../lowering/lowering.js';
import { accumulate } from './accumulate.js';
import { type AverageOptions, averageWeights } from './average.js';
import { type ClipOptions, clip } from './clip.js';
import { stepContext } from './context.js';
import type { Gradient } from './parameters.js';
import type { StateUpdate } from './state.js';
import { type UpdateOptions, updateParameters } from './update.js';

export interface UpdatesOptions extends UpdateOptions {
  /** Steps whose gradients make one update; default 1. */
  readonly accumulate?: number;
  readonly clip?: ClipOptions;
  /** How passes over parameters are computed. Default: in standard operators. */
  readonly lowering?: Pick<Lowering, 'addScaled' | 'together'>;
  /** Keeps a moving average of the weights, as state of kind `average`. */
  readonly average?: AverageOptions;
}

/**
 * From gradients to the state after the step: accumulate, clip, optimize, average.
 * @param gradients divided by `accumulate`
 * @param running statistics of the forward pass, which the average takes in
 */
export function stepUpdates(
  b: GraphBuilder,
  gradients: readonly Gradient[],
  running: readonly StateUpdate[],
  lr: Value,
  options: UpdatesOptions,
): StateUpdate[] {
  const sums = accumulate(b, gradients, options.accumulate ?? 1);
  const context = stepContext(b, sums.pace, options.lowering ?? {});
  const clipped = clip(b, sums.gradients, options.clip ?? {});
  const weights = [...updateParameters(context, clipped, lr, options), ...running];
  const averages = options.average ? averageWeights(context, weights, options.average) : [];
  return [...weights, ...averages, ...sums.updates, ...context.scalars];
}
