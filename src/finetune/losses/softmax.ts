import type { GraphBuilder, Value } from '../../onnx/index.js';
import { firstIndex } from '../first-index.js';
import type { LossNodes } from './loss.js';
import { numbersLike } from './numbers.js';

export interface SoftmaxNodes {
  readonly probabilities: Value;
  readonly logProbabilities: Value;
}

/**
 * Softmax over axis 1 and its logarithm, in the shape of the logits, which are shifted by their maximum, so no
 * exponential overflows.
 */
export function softmax(b: GraphBuilder, logits: Value): SoftmaxNodes {
  const axis = b.i64([1]);
  const shifted = b.op('Sub', [logits, b.op('ReduceMax', [logits, axis], { keepdims: 1 })]);
  const exp = b.op('Exp', [shifted]);
  const total = b.op('ReduceSum', [exp, axis], { keepdims: 1 });
  return {
    probabilities: b.op('Div', [exp, total]),
    logProbabilities: b.op('Sub', [shifted, b.op('Log', [total])]),
  };
}

export interface CrossEntropyInit {
  readonly b: GraphBuilder;
  /** [N,K,…] */
  readonly logits: Value;
  /** Target probabilities, broadcast to the logits. */
  readonly target: Value;
  /** Σ over axis 1 of the target; undefined: it is 1. */
  readonly mass?: Value;
  /** What each row counts, so that the loss is the weighted sum: 1/N, or [N,1,…]. */
  readonly weight: Value;
  readonly scale: number;
}

/**
 * Cross-entropy of softmax over axis 1 against target probabilities q:
 *   loss = −Σ w·q·log softmax(z),   d loss/dz = w·(softmax(z)·Σq − q).
 */
export function softmaxCrossEntropy({
  b,
  logits,
  target,
  mass,
  weight,
  scale,
}: CrossEntropyInit): Pick<LossNodes, 'loss' | 'gradient'> {
  const number = numbersLike(b, logits);
  const { probabilities, logProbabilities } = softmax(b, logits);
  const each = b.op('ReduceSum', [b.op('Mul', [target, logProbabilities]), b.i64([1])], { keepdims: 1 });
  const total = b.op('ReduceSum', [b.op('Mul', [each, weight])], { keepdims: 0 });
  const loss = b.op('Neg', [total], {}, { name: 'value' });
  const expected = mass ? b.op('Mul', [probabilities, mass]) : probabilities;
  const factor = scale === 1 ? weight : b.op('Mul', [weight, number.of(scale)]);
  const gradient = b.op('Mul', [b.op('Sub', [expected, target]), factor], {}, { name: 'gradient' });
  return { loss, gradient };
}

/** The target with label smoothing: (1 − ε)·q + ε/K. */
export function smoothed(b: GraphBuilder, target: Value, smoothing: number, classes: number): Value {
  if (smoothing === 0) return target;
  const number = numbersLike(b, target);
  return b.op('Add', [b.op('Mul', [target, number.of(1 - smoothing)]), number.of(smoothing / classes)]);
}

/** One-hot targets over axis 1 of [N,K,…] from int32 labels [N,1,…]: all 0 where the label is no class. */
export function oneHot(b: GraphBuilder, labels: Value, like: Value, shape: readonly number[]): Value {
  const [, classes, ...rest] = shape;
  const indices = Array.from({ length: classes }, (_, i) => i);
  const range = b.op('Cast', [b.i64(indices, [1, classes, ...rest.map(() => 1)])], { to: 6 });
  return numbersLike(b, like).cast(b.op('Equal', [labels, range]));
}

/** The index of the largest value over axis 1 of [N,K,…], int32 [N,1,…]; the first of equal ones, K where there is NaN. */
export function largest(b: GraphBuilder, scores: Value, shape: readonly number[]): Value {
  const most = b.op('ReduceMax', [scores, b.i64([1])], { keepdims: 1 });
  return firstIndex(b, b.op('Equal', [scores, most]), shape, 1);
}

/** How many entries of a bool tensor hold, as a float scalar. */
export function count(b: GraphBuilder, holds: Value, like: Value): Value {
  return b.op('ReduceSum', [numbersLike(b, like).cast(holds)], { keepdims: 0 }, { name: 'correct' });
}

/** [N,K] or [N,K,1,…] as [N,K]. */
export function rowsOf(b: GraphBuilder, logits: Value, shape: readonly number[]): Value {
  return shape.length === 2 ? logits : b.op('Reshape', [logits, b.i64([shape[0], shape[1]])]);
}

/** A gradient of rows in the shape of the logits. */
export function shapedAs(b: GraphBuilder, gradient: Value, shape: readonly number[]): Value {
  return shape.length === 2 ? gradient : b.op('Reshape', [gradient, b.i64(shape)]);
}
