/**
 * src/runtime/reference: a small, slow float64 interpreter of the IR, the outside reference of gradient checks, fuse
 * and verify. May import src/onnx and src/base.
 */
export { type EvaluateOptions, evaluate, evaluateValues, type Scope } from './evaluate.js';
export { REF_OPS, type RefOp } from './rules.js';
export {
  boolTensor,
  fromTensor,
  type Int64Tensor,
  int64Tensor,
  isReal,
  type RealTensor,
  type RealType,
  type RefTensor,
  type RefType,
  realTensor,
  toNumbers,
  toTensor,
  type Uint64Tensor,
} from './tensor.js';
