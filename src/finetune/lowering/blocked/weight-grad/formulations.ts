/** The ways to compute dW of a dense convolution, by name, and which one a shape gets. */
import type { Value } from '../../../../onnx/index.js';
import { type PointwiseForm, pointwiseForm, type WindowForm, windowForm } from '../cost.js';
import { byJoinedTaps, byShifts, byTaps } from './dense.js';
import {
  byInputRows,
  byJoinedInputRows,
  byJoinedOutputRows,
  byOutputRows,
  withoutStride,
} from './pointwise.js';
import { byRows } from './rows.js';
import type { WeightGradShape, WeightGradTask } from './task.js';

type Formulation = (task: WeightGradTask) => Value;

const WINDOW: { readonly [form in WindowForm]: Formulation } = {
  shifts: byShifts,
  rows: byRows,
  taps: byTaps,
  'joined taps': byJoinedTaps,
};

const POINTWISE: { readonly [form in PointwiseForm]: Formulation } = {
  'input rows': byInputRows,
  'output rows': byOutputRows,
  'joined input rows': byJoinedInputRows,
  'joined output rows': byJoinedOutputRows,
};

/** Whether the kernel is 1×1 and reads no padding. */
export function isPointwise({ axes }: Pick<WeightGradShape, 'axes'>): boolean {
  return axes.every((a) => a.kernel === 1 && a.begin === 0 && a.end === 0);
}

/** dW of a kernel of any size; `shifts` and `rows` only where windowForms has them. */
export function window(task: WeightGradTask, form: WindowForm = windowForm(task, task.n.block)): Value {
  return WINDOW[form](task);
}

/** dW of a 1×1 kernel without padding. A stride first drops the pixels that it skips. */
export function pointwise(
  task: WeightGradTask,
  form: PointwiseForm = pointwiseForm(task, task.n.block),
): Value {
  return POINTWISE[form](withoutStride(task));
}
