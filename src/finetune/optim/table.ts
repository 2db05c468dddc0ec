import { type AdamOptions, adam, adamW } from './adam.js';
import type { StepContext, UpdateRule } from './optimizer.js';
import { type RmspropOptions, rmsprop } from './rmsprop.js';
import { type SgdOptions, sgd } from './sgd.js';

/** Which optimizer, and what it takes besides the learning rate and the weight decay. */
export type OptimizerOptions =
  | ({ readonly kind: 'sgd' } & SgdOptions)
  | ({ readonly kind: 'adam' } & AdamOptions)
  | ({ readonly kind: 'adamw' } & AdamOptions)
  | ({ readonly kind: 'rmsprop' } & RmspropOptions);

/** What one step does for all parameters together; returns the rule for each of them. */
export function beginUpdate(options: OptimizerOptions, context: StepContext): UpdateRule {
  switch (options.kind) {
    case 'sgd':
      return sgd(options, context);
    case 'adam':
      return adam(options, context);
    case 'adamw':
      return adamW(options, context);
    case 'rmsprop':
      return rmsprop(options, context);
  }
}

/** Whether every change of a parameter is a linear function of its gradients so far, as the Gram form needs. */
export const LINEAR_IN_GRADIENT = {
  sgd: true,
  adam: false,
  adamw: false,
  rmsprop: false,
} as const satisfies Record<OptimizerOptions['kind'], boolean>;
