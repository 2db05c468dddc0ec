/**
 * Element-wise operators on blocked tensors, with operands that are the same for all pixels or all channels broadcast.
 * What matters is the padding: an operator may keep its zeros, fill it with finite numbers, or divide by zero there.
 */
import type { Value } from '../../../onnx/index.js';
import type { BlockedContext, BlockedRule } from './rule.js';
import { type Pending, sameLayout } from './tracker.js';

type Padding =
  /** Zeros where all maps are zero. */
  | 'keeps'
  /** Zeros where one map is zero. */
  | 'absorbs'
  /** Finite numbers. */
  | 'fills'
  /** Not finite at zero: only where there is no padding. */
  | 'breaks';

const PADDING: ReadonlyMap<string, Padding> = new Map<string, Padding>([
  ['Abs', 'keeps'],
  ['Add', 'keeps'],
  ['And', 'fills'],
  ['Cast', 'keeps'],
  ['Celu', 'keeps'],
  ['Div', 'breaks'],
  ['Elu', 'keeps'],
  ['Equal', 'fills'],
  ['Erf', 'keeps'],
  ['Exp', 'fills'],
  ['Gelu', 'keeps'],
  ['Greater', 'fills'],
  ['GreaterOrEqual', 'fills'],
  ['HardSigmoid', 'fills'],
  ['HardSwish', 'keeps'],
  ['LeakyRelu', 'keeps'],
  ['Less', 'fills'],
  ['LessOrEqual', 'fills'],
  ['Log', 'breaks'],
  ['Max', 'keeps'],
  ['Min', 'keeps'],
  ['Mish', 'keeps'],
  ['Mul', 'absorbs'],
  ['Neg', 'keeps'],
  ['Not', 'fills'],
  ['Or', 'fills'],
  ['Pow', 'breaks'],
  ['Reciprocal', 'breaks'],
  ['Selu', 'keeps'],
  ['Sigmoid', 'fills'],
  ['Softplus', 'fills'],
  ['Softsign', 'keeps'],
  ['Sqrt', 'keeps'],
  ['Sub', 'keeps'],
  ['Sum', 'keeps'],
  ['Tanh', 'keeps'],
  ['ThresholdedRelu', 'keeps'],
  ['Where', 'fills'],
]);

export const ELEMENTWISE: readonly string[] = [...PADDING.keys()];

/** How an operand lies against the result [N, C, H, W]. */
type Operand =
  | { readonly kind: 'map'; readonly value: Value }
  | { readonly kind: 'scalar'; readonly value: Value }
  /** [1 or N, C, 1, 1] */
  | { readonly kind: 'channels'; readonly value: Value; readonly images: number };

export const elementwise: BlockedRule = (c) => {
  const { b, n, t, node, shape } = c;
  const padding = PADDING.get(node.opType);
  const dims = node.output().shape;
  if (!padding || dims?.length !== 4 || !node.inputs.every((v) => v !== undefined)) return false;
  const operands = node.inputs.map((v) => (v ? operandOf(v, shape(v), dims) : undefined));
  if (!operands.every((o) => o !== undefined)) return false;
  const maps = operands.filter((o) => o.kind === 'map');
  // Something must be in blocks already, or the reorders cost more than they save.
  if (!maps.some((o) => !t.isPlain(o.value))) return false;
  // Only floats are reordered, into blocks and out of them; truth values go out as floats.
  if (maps.some((o) => t.isPlain(o.value) && typeOf(o.value) !== 'float32')) return false;
  if (!['float32', 'bool'].includes(typeOf(node.output()))) return false;
  const [images, channels, h, w] = dims;
  const whole = channels % n.block === 0;
  if (padding === 'breaks' && !whole) return false;
  const padded = [images, n.padded(channels), h, w];
  const blocks = padded[1] / n.block;
  const sources = maps.map((o) => t.blocked(o.value));
  const onlyMaps = operands.every((o) => o.kind !== 'channels');
  const at = new Map(maps.map((o, i) => [o.value, sources[i]]));
  const inputs = operands.map((o) => {
    if (o.kind === 'scalar') return o.value;
    if (o.kind === 'map') {
      const value = at.get(o.value)?.value ?? o.value;
      return onlyMaps ? value : n.panels(value, padded);
    }
    return n.reshape(channelsOf(c, o.value, o.images, channels), [o.images, blocks, 1, n.block]);
  });
  const attributes = Object.fromEntries(node.attributes);
  const result = b.op(node.opType, inputs, attributes);
  const value = onlyMaps ? result : n.reshape(result, padded);
  const scalars = operands.length > maps.length && operands.some((o) => o.kind === 'scalar');
  const clean =
    whole ||
    (padding === 'absorbs'
      ? sources.some((s) => !s.dirty)
      : padding === 'keeps' && !scalars && sources.every((s) => !s.dirty));
  t.setBlocked(node.output(), { value, dims: padded, channels, dirty: !clean });
  return true;
};

function typeOf(v: Value): string {
  return v.type?.kind === 'tensor' ? v.type.dataType : 'unknown';
}

function operandOf(value: Value, from: readonly number[], to: readonly number[]): Operand | undefined {
  const rank = from.length;
  if (rank > 4) return undefined;
  const dims = [...Array.from({ length: 4 - rank }, () => 1), ...from];
  // [C, 1, 1] beside one image of one pixel has as many elements, and no axis of images.
  if (rank === 4 && dims.every((d, i) => d === to[i])) return { kind: 'map', value };
  if (dims.every((d) => d === 1)) return { kind: 'scalar', value };
  if (dims[1] === to[1] && dims[2] === 1 && dims[3] === 1 && (dims[0] === 1 || dims[0] === to[0]))
    return { kind: 'channels', value, images: dims[0] };
  return undefined;
}

/** [images, C, 1, 1] as [images, Cp]: without pixels blocks and rows are the same memory. */
function channelsOf({ b, n, t }: BlockedContext, v: Value, images: number, channels: number): Value {
  const padded = n.padded(channels);
  if (!t.isPlain(v)) return n.reshape(t.clean(v).value, [images, padded]);
  const rows = n.reshape(v, [images, channels]);
  return padded === channels ? rows : b.op('Pad', [rows, b.i64([0, 0, 0, padded - channels])]);
}

/** Add: residual joins and sums of gradients are fused into the convolution that makes one side. */
export const add: BlockedRule = (c) => addKernels(c) || accumulate(c) || elementwise(c);

/** Gradients of a kernel that several convolutions share. */
function addKernels({ b, t, node }: BlockedContext): boolean {
  const [p, q] = [t.packed(node.input(0)), t.packed(node.input(1))];
  if (!p || !q || !sameLayout(p.layout, q.layout)) return false;
  t.setKernel(node.output(), { layout: p.layout, value: b.op('Add', [p.value, q.value]) });
  return true;
}

function accumulate(c: BlockedContext): boolean {
  const { n, t, node, shape } = c;
  const [p, q] = [node.input(0), node.input(1)];
  const dims = shape(node.output());
  if (dims.length !== 4 || p === q) return false;
  if (![p, q].every((v) => shape(v).every((d, i) => d === dims[i]) && shape(v).length === 4)) return false;
  for (const [first, second] of [
    [p, q],
    [q, p],
  ]) {
    const whole = t.pending(first, 'compact');
    const sparse = second.uses.length === 1 ? compactOf(c, second) : undefined;
    if (whole?.strides && sparse && whole.strides.every((s, i) => s === sparse.strides[i])) {
      t.setBlocked(node.output(), whole.emit({ compact: sparse.emit().value }));
      return true;
    }
  }
  for (const [first, second] of [
    [p, q],
    [q, p],
  ]) {
    const pending = t.pending(first, 'sum');
    if (!pending) continue;
    const activated = pending.takes.includes('activation');
    if (activated && onlyActivated(node.output())) {
      t.set(node.output(), { kind: 'residual', pending, other: second });
      return true;
    }
    const other = t.clean(second).value;
    // A sum with other readers would be copied by one thread.
    if (second.uses.length === 1) t.setBlocked(node.output(), pending.emit({ sum: other }));
    else {
      const made = pending.emit({});
      t.setBlocked(node.output(), { ...made, value: n.plus(made.value, other, made.dims) });
    }
    return true;
  }
  return false;
}

function compactOf({ t }: BlockedContext, v: Value): Pending['compact'] {
  const entry = t.entry(v);
  return entry?.kind === 'pending' ? entry.pending.compact : undefined;
}

function onlyActivated(v: Value): boolean {
  const [use] = v.uses;
  return v.uses.length === 1 && (use.node.opType === 'Relu' || use.node.opType === 'Clip') && use.index === 0;
}

/** Mul: a product that only a sum over pixels reads becomes a dot convolution there. */
export const mul: BlockedRule = (c) => {
  const { t, node, shape } = c;
  const [p, q] = [node.input(0), node.input(1)];
  const dims = shape(node.output());
  const [use] = node.output().uses;
  const full = [p, q].every((v) => shape(v).length === 4 && shape(v).every((d, i) => d === dims[i]));
  const summed = node.output().uses.length === 1 && use.node.opType === 'ReduceSum' && use.index === 0;
  if (dims.length === 4 && full && summed && [p, q].some((v) => !t.isPlain(v))) {
    t.set(node.output(), { kind: 'product', left: t.clean(p), right: t.clean(q) });
    return true;
  }
  return elementwise(c);
};

/** The same tensor under another name. */
export const pass: BlockedRule = ({ t, node }) => {
  const x = node.input(0);
  if (t.isPlain(x)) return false;
  t.setBlocked(node.output(), t.blocked(x));
  return true;
};
