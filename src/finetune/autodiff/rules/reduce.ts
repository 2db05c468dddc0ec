/**
 * Reductions over axes; dY and Y are spread over them again.
 *   ReduceSum: dX = dY.   ReduceMean: dY / count.
 *   ReduceMax, ReduceMin: dX = dY/t at the t elements that equal Y, 0 elsewhere (torch.amax: ties share evenly).
 *   ReduceL1: dX = dY·sign(X), 0 at 0 (torch).   ReduceL2: dX = dY·X/Y, 0 where Y = 0 (torch).
 *   ReduceSumSquare: dX = 2·dY·X.   ReduceLogSum: Y = ln ΣX, dX = dY·e^(−Y).   ReduceLogSumExp: dX = dY·e^(X − Y).
 *   ReduceProd: dX = dY times the product of the other elements, also where some are 0 (torch).
 */
import { axesOf, normalizeAxes, type Value } from '../../../onnx/index.js';
import { refuseComputed } from '../constants.js';
import type { GradientContext, Gradients } from '../rule.js';
import { indicator, positive } from './masks.js';
import { spreadTo } from './sums.js';

export function reduceSumGradient(c: GradientContext): Gradients {
  const { dims, kept } = reduction(c);
  return [spreadTo(c.b, kept(c.dy), dims, 1)];
}

export function reduceMeanGradient(c: GradientContext): Gradients {
  const { dims, axes, kept } = reduction(c);
  const count = axes.reduce((n, a) => n * dims[a], 1);
  return [spreadTo(c.b, kept(c.dy), dims, 1 / count)];
}

/** ReduceMax and ReduceMin. */
export function reduceExtremeGradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  const { kept, sum } = reduction(c);
  const taken = indicator(b, b.op('Equal', [node.input(0), kept(node.output())]));
  return [b.op('Mul', [taken, b.op('Div', [kept(dy), sum(taken)])])];
}

export function reduceL1Gradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  const x = node.input(0);
  const negative = indicator(b, b.op('Less', [x, b.f32(0)]));
  return [b.op('Mul', [b.op('Sub', [positive(b, x), negative]), reduction(c).kept(dy)])];
}

export function reduceL2Gradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  const { kept } = reduction(c);
  const y = node.output();
  // Where Y is 0, so is X, whatever it is divided by.
  const divisor = b.op('Add', [y, indicator(b, b.op('Equal', [y, b.f32(0)]))]);
  return [b.op('Mul', [node.input(0), kept(b.op('Div', [dy, divisor]))])];
}

export function reduceSumSquareGradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  return [b.op('Mul', [node.input(0), reduction(c).kept(b.op('Mul', [dy, b.f32(2)]))])];
}

export function reduceLogSumGradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  const { dims, kept } = reduction(c);
  const each = b.op('Mul', [dy, b.op('Exp', [b.op('Neg', [node.output()])])]);
  return [spreadTo(b, kept(each), dims, 1)];
}

export function reduceLogSumExpGradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  const { kept } = reduction(c);
  const share = b.op('Exp', [b.op('Sub', [node.input(0), kept(node.output())])]);
  return [b.op('Mul', [share, kept(dy)])];
}

export function reduceProdGradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  const { kept, sum, axes } = reduction(c);
  const x = node.input(0);
  const zero = indicator(b, b.op('Equal', [x, b.f32(0)]));
  const zeros = sum(zero);
  // Zeros count as 1 in `nonzero`, so others = product / nonzero where no other element is 0, else 0.
  const nonzero = b.op('Add', [x, zero]);
  const product = axes.length === 0 ? nonzero : b.op('ReduceProd', [nonzero, b.i64(axes)], { keepdims: 1 });
  const noOther = indicator(b, b.op('Equal', [zeros, zero]));
  const others = b.op('Mul', [b.op('Div', [product, nonzero]), noOther]);
  return [b.op('Mul', [others, kept(dy)])];
}

interface Reduction {
  /** Of X. */
  readonly dims: readonly number[];
  readonly axes: readonly number[];
  /** A value of the output's shape with the reduced axes as 1, so that it broadcasts against X. */
  readonly kept: (v: Value) => Value;
  /** Σ of a value of X's shape over the axes, which stay as 1. */
  readonly sum: (v: Value) => Value;
}

function reduction(c: GradientContext): Reduction {
  const { b, node } = c;
  const dims = c.shape(node.input(0));
  const given = axesOf(node) ?? refuseComputed(c, 1);
  const none = given === 'absent' || given.length === 0;
  const all = none && node.int('noop_with_empty_axes', 0) === 0;
  const axes = all ? dims.map((_, i) => i) : none ? [] : normalizeAxes(node, given, dims.length);
  const shape = dims.map((d, i) => (axes.includes(i) ? 1 : d));
  return {
    dims,
    axes,
    kept: (v) => (c.shape(v).length === shape.length ? v : b.op('Reshape', [v, b.i64(shape)])),
    sum: (v) => (axes.length === 0 ? v : b.op('ReduceSum', [v, b.i64(axes)], { keepdims: 1 })),
  };
}
