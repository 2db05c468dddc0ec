import type { GraphBuilder, Value } from '../../onnx/index.js';
import type { Pace } from './pace.js';

/** What optimizers keep of a parameter from step to step. */
export type SlotKind = 'momentum' | 'mean' | 'square';

/** Numbers that a step keeps for all parameters together, by what they are. */
export type ScalarKind = 'counter' | 'correction';

/** What an optimizer sees of the step that it is part of. */
export interface StepContext {
  readonly b: GraphBuilder;
  readonly pace: Pace;
  /** Declares a float32 scalar, 0 at first; `change` gives its value after an update. Returns that and the one before. */
  scalar(name: string, kind: ScalarKind, change: (before: Value) => Value): ScalarState;
  /** A value made once per `of` and `what`. */
  shared(of: Value, what: string, make: () => Value): Value;
  /** sum + factor·v, 1-D; nothing else may need `sum`. */
  addScaled(sum: Value, v: Value, factor: number): Value;
}

export interface ScalarState {
  readonly before: Value;
  /** As after an update, in a step that only accumulates gradients too. */
  readonly after: Value;
}

/**
 * One parameter to be updated. All tensors are 1-D float32 of one length: a scalar times a tensor of trailing 1s runs
 * one element at a time.
 */
export interface ParameterUpdate {
  readonly parameter: Value;
  readonly gradient: Value;
  /** The learning rate, a scalar; 0 in a step that only accumulates gradients. */
  readonly lr: Value;
  readonly weightDecay: number;
  /** Declares a slot, as long as the parameter; `change` gives its value after the step, and it is returned. */
  slot(kind: SlotKind, change: (before: Value) => Value, initial?: number): Value;
}

/**
 * Emits the parameter's value after the step. An entry whose parameter, gradient and slots are 0 stays 0, because a
 * lowering may keep parameters padded with zeros; and no entry depends on another, because it may keep them permuted.
 */
export type UpdateRule = (update: ParameterUpdate) => Value;

/** g + λ·p: weight decay as a part of the gradient (L2 regularization). */
export function withDecay(
  { addScaled }: StepContext,
  { parameter, gradient, weightDecay }: Pick<ParameterUpdate, 'parameter' | 'gradient' | 'weightDecay'>,
): Value {
  return weightDecay === 0 ? gradient : addScaled(gradient, parameter, weightDecay);
}

/** p − η·d. */
export function descend(
  b: GraphBuilder,
  { parameter, lr }: Pick<ParameterUpdate, 'parameter' | 'lr'>,
  direction: Value,
): Value {
  return b.op('Sub', [parameter, b.op('Mul', [direction, lr])], {}, { name: 'next' });
}
