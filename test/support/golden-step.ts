import type { LossOptions } from '../../src/finetune/losses/table.js';
import type { OptimizerOptions } from '../../src/finetune/optim/table.js';
import { Tensor } from '../../src/onnx/index.js';
import type { ArrayData } from './arrays.js';

/** `info.json` of a golden training step: the optimizer and the loss as torch names them. */
export interface StepInfo {
  readonly input_shape: number[];
  readonly optimizer: {
    readonly kind: string;
    readonly lr: number;
    readonly momentum?: number;
    readonly weight_decay?: number;
    readonly nesterov?: boolean;
    readonly betas?: [number, number];
    readonly alpha?: number;
    readonly eps?: number;
  };
  readonly loss: { readonly kind: string; readonly label_smoothing?: number; readonly ignore_index?: number };
  readonly parameters: string[];
  readonly buffers: string[];
  readonly zero_gradients?: string[];
}

export function optimizerOf({ optimizer }: StepInfo): OptimizerOptions {
  const { kind, momentum = 0, nesterov = false, betas = [0.9, 0.999], alpha = 0.99, eps = 1e-8 } = optimizer;
  switch (kind) {
    case 'sgd':
      return { kind, momentum, nesterov };
    case 'adam':
    case 'adamw':
      return { kind, betas, epsilon: eps };
    case 'rmsprop':
      return { kind, alpha, epsilon: eps, momentum, style: 'torch' };
    default:
      throw new Error(`optimizer ${kind}`);
  }
}

export function lossOptionsOf({ loss }: StepInfo): LossOptions {
  const { kind, label_smoothing: labelSmoothing = 0, ignore_index: ignoreIndex } = loss;
  switch (kind) {
    case 'cross_entropy':
      return { kind: 'cross-entropy', labelSmoothing };
    case 'cross_entropy_soft':
      return { kind: 'soft-cross-entropy', labelSmoothing };
    case 'cross_entropy_pixel':
      if (ignoreIndex === undefined) throw new Error('ignore_index');
      return { kind: 'pixel-cross-entropy', labelSmoothing, ignoreIndex };
    case 'mse':
      return { kind };
    default:
      throw new Error(`loss ${kind}`);
  }
}

/** What the golden's loss takes as label: classes, or soft targets. */
export function labelOf({ loss }: StepInfo, data: ReadonlyMap<string, ArrayData>): Tensor {
  const soft = loss.kind === 'cross_entropy_soft' || loss.kind === 'mse';
  const labels = data.get(soft ? 'soft_labels' : 'labels');
  if (labels?.data instanceof BigInt64Array)
    return Tensor.int32(labels.dims, Array.from(labels.data, Number));
  if (labels?.data instanceof Float32Array) return Tensor.float32(labels.dims, labels.data);
  throw new Error('labels');
}
