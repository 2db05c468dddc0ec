/** The ways to compute dW of a dense convolution, by name, and which one a shape gets. */
import type { Value } from '../../../../onnx/index.js';
import { type Form, formOf } from '../cost.js';
import { byMaps } from './maps.js';
import {
  byInputRows,
  byJoinedInputRows,
  byJoinedOutputRows,
  byOutputRows,
  withoutStride,
} from './pointwise.js';
import type { WeightGradTask } from './task.js';

const FORMULATIONS: { readonly [form in Form]: (task: WeightGradTask) => Value } = {
  maps: byMaps,
  'input rows': (task) => byInputRows(withoutStride(task)),
  'output rows': (task) => byOutputRows(withoutStride(task)),
  'joined input rows': (task) => byJoinedInputRows(withoutStride(task)),
  'joined output rows': (task) => byJoinedOutputRows(withoutStride(task)),
};

/** dW as the packed kernel; all forms but `maps` only of 1×1 kernels without padding, and not of stems. */
export function denseWeightGrad(task: WeightGradTask, form: Form = formOf(task, task.n.block)): Value {
  return FORMULATIONS[form](task);
}
