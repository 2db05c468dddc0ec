import { type LoweringTable, lowerParameters } from '../lower.js';
import type { Lowering } from '../lowering.js';
import { clipGrad, hardSwishGrad, reluGrad } from './activation.js';
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
  HardSwishGrad: hardSwishGrad,
  MaxPoolGrad: maxPoolGrad,
  AveragePoolGrad: averagePoolGrad,
  RefocusKernel: refocusKernel,
  RefocusMapGrad: refocusMapGrad,
  GramKernel: gramKernel,
};

export const portableLowering: Lowering = {
  name: 'portable',
  opsets: new Map(),
  lower: (b, parameters) => lowerParameters(b, portable, parameters),
};
