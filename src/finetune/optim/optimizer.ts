import type { GraphBuilder, Value } from '../../onnx/index.js';
import type { Pace } from './pace.js';

/** What optimizers keep of a parameter from step to step. */
export type SlotKind = 'momentum';

/** What an optimizer sees of the step that it is part of. */
export interface StepContext {
  readonly b: GraphBuilder;
  readonly pace: Pace;
}

/**
 * One parameter to be updated. All tensors are 1-D float32 of one length: a scalar times a tensor of trailing 1s runs
 * one element at a time.
 */
export interface ParameterUpdate {
  readonly parameter: Value;
  readonly gradient: Value;
  /** The learning rate, a scalar. */
  readonly lr: Value;
  readonly weightDecay: number;
  /** Declares a slot, as long as the parameter and 0 at first; gives and returns its value after the step. */
  slot(kind: SlotKind, change: (before: Value) => Value): Value;
}

/**
 * Emits the parameter's value after the step. An entry whose parameter, gradient and slots are 0 stays 0, because a
 * lowering may keep parameters padded with zeros; and no entry depends on another, because it may keep them permuted.
 */
export type UpdateRule = (update: ParameterUpdate) => Value;
