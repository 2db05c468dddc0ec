/**
 * BatchNormalization in training mode on blocked tensors. Over the M values of a channel, with u the input less a shift s
 * that is about its mean:
 *   m = Σ u / M,  v = Σ u² / M − m²,  i = 1/√(v + ε),  a = γ·i,  Y = a·u + (β − a·m)
 *   dβ = Σ dY,  dγ = i·(Σ dY·u − m·dβ),  dX = a·(dY + p·u + q),  p = −i·dγ/M,  q = −dβ/M − p·m
 * Without a shift E[u²] − m² would lose the digits of a variance that is small beside the mean. A convolution subtracts
 * the running mean in its bias, for nothing; any other input is centered by a pass of its own.
 * The factor a of dX is left to the convolution's gradients where its kernel is small beside the map.
 *
 * Before a max pooling u is taken times the sign of γ, so that Y increases with it: the pooling takes the largest u, Y is
 * computed of those alone, and dY, which is not zero at their places only, is summed over the windows. (Where γ is 0 all Y
 * are equal, and dY goes to the largest u and not to the first.)
 */
import { type GraphBuilder, sizeOf, type Value } from '../../../onnx/index.js';
import { onlyPooled } from './max-pool.js';
import type { Blocked, Nchwc } from './nchwc.js';
import {
  type Pointwise,
  type PointwiseSite,
  paysOff,
  pointwiseNorm,
  pointwiseNormGrad,
} from './pointwise-norm.js';
import type { BlockedContext } from './rule.js';
import type { Extra, Pending } from './tracker.js';
import { fromVector, toVector } from './vector.js';

/** What the backward pass of a BatchNormalization takes from the forward pass; vectors are [Cp]. */
export interface Statistics {
  /** The input less the shift. */
  readonly u: Blocked;
  /** Mean of u; undefined: 0. */
  readonly mean: Value | undefined;
  readonly inverse: Value;
  /** γ·i: what dX by the input less the shift is scaled by, whatever the sign of u. */
  readonly scale: Value;
  /** ±1 where u has the sign of γ. */
  readonly sign: Value | undefined;
}

/** By the mean that the backward node reads. */
export type StatisticsTable = Map<Value, Statistics | PointwiseSite>;

/** A kernel is scaled instead of the map where it has less than this share of the map's elements. */
const FOLD_SHARE = 0.5;

export function batchNormTrain(c: BlockedContext, table: StatisticsTable): boolean {
  const { b, n, t, node, shape } = c;
  const [x, gamma, beta, guess] = [node.input(0), node.input(1), node.input(2), node.inputs[3]];
  const dims4 = shape(x);
  if (dims4.length !== 4) return false;
  const channels = dims4[1];
  const unstored = pointwiseBefore(c);
  if (unstored) {
    const site = pointwiseNorm(c, unstored);
    table.set(t.current(node.output(1)), site);
    return true;
  }
  const perM = b.f32(channels / sizeOf(dims4));
  const [gammas, betas] = [gamma, beta].map((v) => fromVector(n, v, channels));
  const sign = isPooled(node.output(0)) && !isCostly(x) ? signOf(b, gammas) : undefined;
  const { u, shift } = shifted(c, x, guess, { perM, sign });
  const fromGuess = shift.kind === 'guess';
  const mean = fromGuess
    ? b.op('Mul', [n.channelSum(u.value, u.dims), perM], {}, { name: 'mean' })
    : undefined;
  const squares = b.op('Mul', [n.channelDot(u.value, u.value, u.dims), perM]);
  // Rounding may take it below zero.
  const variance = mean
    ? b.op('Relu', [b.op('Sub', [squares, b.op('Mul', [mean, mean])])], {}, { name: 'variance' })
    : squares;
  const epsilon = b.f32(node.float('epsilon', 1e-5));
  const inverse = b.op('Reciprocal', [b.op('Sqrt', [b.op('Add', [variance, epsilon])])]);
  const scale = b.op('Mul', [gammas, inverse]);
  const slope = sign ? b.op('Abs', [scale]) : scale;
  const bias = mean ? b.op('Sub', [betas, b.op('Mul', [slope, mean])]) : betas;
  const of = (v: Blocked, { activation, sum }: Extra): Blocked => ({
    ...v,
    value: n.affine(v.value, v.dims, { scale: slope, bias, sum, activation }),
  });
  const pending: Pending = {
    takes: ['activation', 'sum'],
    emit: (extra) => of(u, extra),
    ...(sign && { increasing: { source: u, of } }),
  };
  t.set(node.output(0), { kind: 'pending', pending });
  const own = mean && sign ? b.op('Mul', [mean, sign]) : mean;
  const reported = toVector(n, own ? b.op('Add', [own, shift.by]) : shift.by, channels);
  t.replace(node.output(1), reported);
  table.set(reported, { u, mean, inverse, scale, sign });
  t.replace(node.output(2), toVector(n, variance, channels));
  return true;
}

/** A 1×1 convolution whose output nothing but this BatchNormalization reads, forth and back, if it pays off. */
function pointwiseBefore({ t, node }: BlockedContext): Pointwise | undefined {
  const x = node.input(0);
  const entry = t.entry(x);
  const conv = entry?.kind === 'pending' ? entry.pending.pointwise : undefined;
  const producer = x.producer;
  if (!conv || !producer || !paysOff(conv) || !onlyNormalized(x)) return undefined;
  const backward = x.uses.find((u) => u.node.opType === 'BatchNormTrainGrad');
  const gradientReaders = backward?.node.output(0).uses ?? [];
  const own = gradientReaders.every(
    ({ node: reader, index }) =>
      index === 0 &&
      (reader.opType === 'ConvInputGrad'
        ? reader.input(1) === producer.input(1)
        : reader.opType === 'ConvWeightGrad' && reader.input(1) === producer.input(0)),
  );
  return own ? conv : undefined;
}

/** Whether only one BatchNormalization reads the value, and its gradient. */
function onlyNormalized(x: Value): boolean {
  const forward = x.uses.filter((u) => u.node.opType === 'BatchNormTrain' && u.index === 0);
  const backward = x.uses.filter((u) => u.node.opType === 'BatchNormTrainGrad' && u.index === 1);
  return (
    !x.isOutput &&
    forward.length === 1 &&
    backward.length <= 1 &&
    x.uses.length === forward.length + backward.length
  );
}

/** Whether all that reads Y, or a rectifier of it, is a max pooling. */
function isPooled(y: Value): boolean {
  const [use, ...others] = y.uses;
  const rectified = others.length === 0 && /^(Relu|Clip)$/.test(use?.node.opType ?? '') && !y.isOutput;
  return onlyPooled(rectified ? use.node.output() : y);
}

/** Whether the sign would be put into a kernel that is not small beside its map. */
function isCostly(x: Value): boolean {
  const kernel = x.producer?.opType === 'Conv' ? x.producer.input(1).shape : undefined;
  return kernel !== undefined && !isSmall(kernel, sizeOf(x.shape ?? []));
}

/** Whether a kernel is scaled rather than a map of so many elements. */
function isSmall(kernel: readonly number[], elements: number): boolean {
  return sizeOf(kernel) < FOLD_SHARE * elements;
}

function signOf(b: GraphBuilder, v: Value): Value {
  return b.op('Where', [b.op('Less', [v, b.f32(0)]), b.f32(-1), b.f32(1)], {}, { name: 'sign' });
}

interface Shifted {
  readonly u: Blocked;
  readonly shift: { readonly kind: 'guess' | 'mean'; readonly by: Value };
}

function shifted(
  c: BlockedContext,
  x: Value,
  guess: Value | undefined,
  { perM, sign }: { perM: Value; sign: Value | undefined },
): Shifted {
  const { b, n, t, shape } = c;
  const entry = t.entry(x);
  if (guess && onlyNormalized(x) && entry?.kind === 'pending' && entry.pending.takes.includes('shift')) {
    const by = fromVector(n, guess, shape(x)[1]);
    return { u: entry.pending.emit({ shift: by, ...(sign && { sign }) }), shift: { kind: 'guess', by } };
  }
  const whole = t.clean(x);
  const mean = b.op('Mul', [n.channelSum(whole.value, whole.dims), perM], {}, { name: 'mean' });
  const negative = b.op('Neg', [mean]);
  const bias = sign ? b.op('Mul', [negative, sign]) : negative;
  const value = n.affine(whole.value, whole.dims, { scale: sign, bias });
  return { u: { ...whole, value }, shift: { kind: 'mean', by: mean } };
}

export function batchNormTrainGrad(c: BlockedContext, table: StatisticsTable): boolean {
  const { b, n, t, node, shape } = c;
  const [dy, x, meanOutput] = [node.input(0), node.input(1), node.input(3)];
  const site = table.get(meanOutput);
  if (!site) return false;
  if ('conv' in site) {
    t.set(node.output(0), { kind: 'unstored', gradient: pointwiseNormGrad(c, site) });
    return true;
  }
  const { u, mean, inverse, scale, sign } = site;
  const channels = u.channels;
  const perM = b.f32(-channels / sizeOf(shape(x)));
  const summed = summedOver(c, dy, u);
  const dbeta = n.channelSum(summed.gradient.value, summed.u.dims);
  const dot = n.channelDot(summed.gradient.value, summed.u.value, summed.u.dims);
  const dgamma = b.op('Mul', [inverse, mean ? b.op('Sub', [dot, b.op('Mul', [mean, dbeta])]) : dot]);
  t.replace(node.output(1), toVector(n, sign ? b.op('Mul', [dgamma, sign]) : dgamma, channels));
  t.replace(node.output(2), toVector(n, dbeta, channels));
  if (node.output(0).isDead) return true;
  const gradient = t.clean(dy);
  const p = b.op('Mul', [b.op('Mul', [inverse, dgamma]), perM]);
  const meanOfGradient = b.op('Mul', [dbeta, perM]);
  const q = mean ? b.op('Sub', [meanOfGradient, b.op('Mul', [p, mean])]) : meanOfGradient;
  const fold = leavesFactor(node.output(0), sizeOf(u.dims));
  const make = (source: Value, own: boolean, factor: Value | undefined): Value => {
    const [scaleBy, bias] = factor ? [b.op('Mul', [p, factor]), b.op('Mul', [q, factor])] : [p, q];
    // A sum that has other readers would be copied by one thread.
    return own
      ? n.affine(u.value, u.dims, { scale: scaleBy, bias, sum: source })
      : n.plus(n.affine(u.value, u.dims, { scale: scaleBy, bias }), source, u.dims);
  };
  if (fold) {
    const value = make(gradient.value, dy.uses.length === 1, undefined);
    t.set(node.output(0), { kind: 'scaled', blocked: { ...u, value }, factor: scale });
  } else {
    const scaled = n.affine(gradient.value, u.dims, { scale });
    t.setBlocked(node.output(0), { ...u, value: make(scaled, true, scale) });
  }
  return true;
}

/** dY and u, as far as dY is not zero. */
function summedOver({ t }: BlockedContext, dy: Value, u: Blocked): { gradient: Blocked; u: Blocked } {
  const entry = t.entry(dy);
  return entry?.kind === 'unpooled' && entry.gradient.source.value === u.value && !entry.gradient.small.dirty
    ? { gradient: entry.gradient.small, u: entry.gradient.largest }
    : { gradient: t.clean(dy), u };
}

/** Whether only gradients of convolutions read dX, whose kernels are small beside the map. */
function leavesFactor(dx: Value, elements: number): boolean {
  return dx.uses.every(({ node, index }) => {
    if (index !== 0) return false;
    const kernel =
      node.opType === 'ConvInputGrad'
        ? node.input(1).shape
        : node.opType === 'ConvWeightGrad'
          ? node.output().shape
          : undefined;
    return kernel !== undefined && isSmall(kernel, elements);
  });
}

/** Frozen statistics: an affine map. */
export function batchNorm(c: BlockedContext): boolean {
  const { b, n, t, node, shape } = c;
  const x = node.input(0);
  if (shape(x).length !== 4 || t.isPlain(x)) return false;
  const u = t.clean(x);
  const channels = u.channels;
  const [gamma, beta, mean, variance] = [1, 2, 3, 4].map((i) => node.input(i));
  const epsilon = b.f32(node.float('epsilon', 1e-5));
  const scale = b.op('Div', [gamma, b.op('Sqrt', [b.op('Add', [variance, epsilon])])]);
  const bias = b.op('Sub', [beta, b.op('Mul', [scale, mean])]);
  const emit = ({ activation, sum }: Extra): Blocked => ({
    ...u,
    value: n.affine(u.value, u.dims, {
      scale: fromVector(n, scale, channels),
      bias: fromVector(n, bias, channels),
      sum,
      activation,
    }),
  });
  t.set(node.output(), { kind: 'pending', pending: { takes: ['activation', 'sum'], emit } });
  return true;
}

/** Σ over images and pixels of a map, as the gradient of a per-channel bias is. */
export function channelSumOf(n: Nchwc, v: Blocked): Value {
  return toVector(n, n.channelSum(v.value, v.dims), v.channels);
}
