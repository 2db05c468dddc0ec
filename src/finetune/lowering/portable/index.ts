import type { LoweringTable } from '../lower.js';
import { clipGrad, reluGrad } from './activation.js';
import { convInputGrad, convWeightGrad } from './conv.js';
import { batchNormTrain, batchNormTrainGrad } from './norm.js';
import { averagePoolGrad, maxPoolGrad } from './pool.js';
import { gramKernel, refocusKernel, refocusMapGrad } from './refocus.js';

/**
 * Standard operators of opset 20, NCHW: runs on every provider that has them. (The blocked lowering, in the runtime's
 * own layout on CPUs, has its place beside this table.)
 */
export const portable: LoweringTable = {
  ConvInputGrad: convInputGrad,
  ConvWeightGrad: convWeightGrad,
  BatchNormTrain: batchNormTrain,
  BatchNormTrainGrad: batchNormTrainGrad,
  ReluGrad: reluGrad,
  ClipGrad: clipGrad,
  MaxPoolGrad: maxPoolGrad,
  AveragePoolGrad: averagePoolGrad,
  RefocusKernel: refocusKernel,
  RefocusMapGrad: refocusMapGrad,
  GramKernel: gramKernel,
};
