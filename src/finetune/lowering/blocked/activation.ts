/** Relu and Clip, fused into what makes their input where it can take them; and their gradients' masks. */
import type { GraphBuilder, Node, Value } from '../../../onnx/index.js';
import { onlyPooled } from './max-pool.js';
import type { Activation, Blocked, Nchwc } from './nchwc.js';
import type { BlockedContext } from './rule.js';
import type { Entry, Increasing, Pending } from './tracker.js';

export function relu(c: BlockedContext): boolean {
  return activate(c, { name: 'Relu', parameters: [] });
}

export function clip(c: BlockedContext): boolean {
  const bounds = clipBounds(c.node);
  // Zeros in the padding have to stay zeros.
  if (!bounds || bounds[0] > 0 || bounds[1] < 0) return false;
  return activate(c, { name: 'Clip', parameters: bounds });
}

function clipBounds(node: Node): [number, number] | undefined {
  const bound = (index: number, open: number): number | undefined => {
    const input = node.inputs[index];
    if (!input) return open;
    const value = input.constant?.typed()[0];
    return value === undefined ? undefined : Number(value);
  };
  const low = bound(1, -3.4028234663852886e38);
  const high = bound(2, 3.4028234663852886e38);
  return low === undefined || high === undefined ? undefined : [low, high];
}

function activate(c: BlockedContext, activation: Activation): boolean {
  const { b, t, node } = c;
  const [x, y] = [node.input(0), node.output()];
  if (t.isPlain(x)) return false;
  const entry = t.entry(x);
  if (entry?.kind === 'residual') {
    t.setBlocked(y, residual(c, entry, activation));
    return true;
  }
  const pending = t.pending(x, 'activation');
  if (pending) {
    const { increasing } = pending;
    if (increasing && onlyPooled(y))
      t.set(y, { kind: 'pending', pending: activated(pending, increasing, activation) });
    else t.setBlocked(y, pending.emit({ activation }));
    return true;
  }
  const source = t.blocked(x);
  const inputs = [source.value, ...activation.parameters.map((p) => b.f32(p))];
  t.setBlocked(y, { ...source, value: b.op(activation.name, inputs) });
  return true;
}

/** Relu and Clip increase as well. */
function activated(pending: Pending, { source, of }: Increasing, activation: Activation): Pending {
  return {
    takes: [],
    emit: () => pending.emit({ activation }),
    increasing: { source, of: (elements) => of(elements, { activation }) },
  };
}

/**
 * Activation of a residual sum. What nothing else reads is written over; a shortcut that is read again is added to by a
 * pass of its own over the fresh other side.
 */
function residual(
  { n, t }: BlockedContext,
  { pending, other }: Extract<Entry, { kind: 'residual' }>,
  activation: Activation,
): Blocked {
  const shortcut = t.clean(other);
  if (other.uses.length === 1) return pending.emit({ sum: shortcut.value, activation });
  const sum = pending.emit({}).value;
  return { ...shortcut, value: n.affine(shortcut.value, shortcut.dims, { sum, activation }) };
}

/** ReluGrad and ClipGrad. */
export function rectifierGrad(c: BlockedContext): boolean {
  const { t, node } = c;
  // Max pooling may have done it on its smaller maps (max-pool-grad.ts).
  if (t.entry(node.output())) return true;
  const [dy, y] = [node.input(0), node.input(1)];
  if (t.isPlain(y)) return false;
  const masked = maskedGradient(c, node, dy, t.blocked(y));
  if (!masked) return false;
  t.setBlocked(node.output(), masked);
  return true;
}

/**
 * What a ReluGrad or ClipGrad makes of dY: dY where Y > 0, or min < Y < max, else 0. Undefined for a Clip without bounds.
 * @param y of dY's dims; another tensor than the node's own where that one's largest values stand for it
 */
export function maskedGradient(c: BlockedContext, node: Node, dy: Value, y: Blocked): Blocked | undefined {
  const { b, n } = c;
  const has = (name: string): boolean => node.attributes.has(name);
  const relu = node.opType === 'ReluGrad';
  const low = relu ? 0 : has('min') ? node.float('min', 0) : undefined;
  const high = !relu && has('max') ? node.float('max', 0) : undefined;
  // The mask is 0 or 1: a slope of 2¹²⁶ takes every positive normal number to 1.
  if (low === 0 && high === undefined) return times(c, dy, { ...y, value: positive(b, y.value) });
  if (low === 0 && high !== undefined && isCommon(high))
    return times(c, dy, { ...y, value: between(n, y, high) });
  const conditions: Value[] = [];
  if (low !== undefined) conditions.push(b.op('Greater', [y.value, b.f32(low)]));
  if (high !== undefined) conditions.push(b.op('Less', [y.value, b.f32(high)]));
  if (conditions.length === 0) return undefined;
  const both = conditions.length === 2 ? b.op('And', conditions) : conditions[0];
  const mask = b.op('Cast', [both], { to: 1 });
  return times(c, dy, { ...y, value: mask, dirty: y.dims[1] !== y.channels });
}

const STEEP = 2 ** 126;

function positive(b: GraphBuilder, v: Value): Value {
  return b.op('HardSigmoid', [v], { alpha: { float: STEEP }, beta: { float: 0 } });
}

/**
 * 1 where 0 < v < high, else 0, for v clipped to that. Two steep clipped lines read and write less than comparisons do: p = 0
 * at v = 0 and high/u above, u being the distance from high to the float32 below it; then p − v/u is 0 at high, 1 just below
 * it and more further down. u is a power of two and high/u at most 2²⁴, so that nothing is rounded near high.
 */
function between(n: Nchwc, { value, dims }: Blocked, high: number): Value {
  const top = new Float32Array([high]);
  const bits = new Uint32Array(top.buffer);
  bits[0] -= 1;
  const u = high - top[0];
  const p = n.affine(value, dims, {
    scale: n.constant([dims[1]], STEEP),
    activation: { name: 'Clip', parameters: [0, high / u] },
  });
  return n.affine(value, dims, {
    scale: n.constant([dims[1]], -1 / u),
    sum: p,
    activation: { name: 'Clip', parameters: [0, 1] },
  });
}

/** Of {@link between}: 1/u and the sum of both lines are far from the ends of float32. */
function isCommon(high: number): boolean {
  return high > 2 ** -60 && high < 2 ** 60 && Math.fround(high) === high;
}

/**
 * dY·(1/2 + c·k), c = X clipped to ±3 and k = 1/3 where −3 < c < 3, else 1/6. k comes from two steep clipped lines, which
 * reads and writes less than comparisons do: p = 0 at c = −3 and P above; then −S·c + (3S − P) + p is below 0 at both ends
 * and above 1 between, to the last two float32 numbers before 3.
 */
export function hardSwishGrad(c: BlockedContext): boolean {
  const { b, n, t, node } = c;
  const [dy, x] = [node.input(0), node.input(1)];
  if (t.isPlain(x)) return false;
  const { value, dims, channels } = t.clean(x);
  const all = (v: number): Value => n.constant([dims[1]], v);
  const clipped = n.affine(value, dims, { activation: { name: 'Clip', parameters: [-3, 3] } });
  const above = n.affine(clipped, dims, {
    scale: all(2 ** 100),
    bias: all(3 * 2 ** 100),
    activation: { name: 'Clip', parameters: [0, 2 ** 44] },
  });
  const slope = n.affine(clipped, dims, {
    scale: all(-(2 ** 40)),
    bias: all(3 * 2 ** 40 - 2 ** 44),
    sum: above,
    activation: { name: 'Clip', parameters: [1 / 6, 1 / 3] },
  });
  const product = b.op('Mul', [clipped, slope]);
  const factor: Blocked = {
    value: n.affine(product, dims, { bias: all(0.5) }),
    dims,
    channels,
    dirty: dims[1] !== channels,
  };
  t.setBlocked(node.output(), times(c, dy, factor));
  return true;
}

/** dY·mask; a gradient that is the same for all pixels is broadcast, not written out. */
function times({ b, n, t }: BlockedContext, dy: Value, mask: Blocked): Blocked {
  const entry = t.entry(dy);
  if (entry?.kind !== 'spread') {
    const gradient = t.blocked(dy);
    const dirty = gradient.dirty && mask.dirty;
    return { ...gradient, dirty, value: b.op('Mul', [gradient.value, mask.value]) };
  }
  const { small } = entry;
  const product = b.op('Mul', [panelsOf(n, mask), panelsOf(n, small)]);
  return { ...mask, dirty: small.dirty && mask.dirty, value: n.reshape(product, mask.dims) };
}

export function panelsOf(n: Nchwc, v: Blocked): Value {
  return n.panels(v.value, v.dims);
}
