import { type LoweringTable, lowerParameters } from '../lower.js';
import type { Lowering } from '../lowering.js';
import { portable } from '../portable/index.js';
import { reluGrad } from './activation.js';
import { convInputGrad } from './input-grad.js';
import { batchNormTrain, batchNormTrainGrad } from './norm.js';
import { convWeightGrad } from './weight-grad.js';

/**
 * Standard operators as the portable lowering has them, with convolutions' gradients shared out into products that keep
 * the thousands of lanes of a graphics card busy, where a provider does not do that by itself (WebGPU).
 */
const parallel: LoweringTable = {
  ...portable,
  ConvInputGrad: convInputGrad,
  ConvWeightGrad: convWeightGrad,
  BatchNormTrain: batchNormTrain,
  BatchNormTrainGrad: batchNormTrainGrad,
  ReluGrad: reluGrad,
};

export const parallelLowering: Lowering = {
  name: 'parallel',
  opsets: new Map(),
  together: 1 << 14,
  lower: (b, parameters) => lowerParameters(b, parallel, parameters),
};
