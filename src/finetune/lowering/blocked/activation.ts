/** Relu and Clip, fused into what makes their input where it can take them; and their gradients' masks. */
import type { Node, Value } from '../../../onnx/index.js';
import type { Activation, Blocked, Nchwc } from './nchwc.js';
import type { BlockedContext } from './rule.js';
import type { Entry } from './tracker.js';

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
    t.setBlocked(y, pending.emit({ activation }));
    return true;
  }
  const source = t.blocked(x);
  const inputs = [source.value, ...activation.parameters.map((p) => b.f32(p))];
  t.setBlocked(y, { ...source, value: b.op(activation.name, inputs) });
  return true;
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

/** dY where Y > 0. The mask is 0 or 1: a slope of 2¹²⁶ takes every positive normal number to 1. */
export function reluGrad(c: BlockedContext): boolean {
  const { b, t, node } = c;
  const [dy, y] = [node.input(0), node.input(1)];
  if (t.isPlain(y)) return false;
  const out = t.blocked(y);
  const mask = b.op('HardSigmoid', [out.value], { alpha: { float: STEEP }, beta: { float: 0 } });
  t.setBlocked(node.output(), times(c, dy, { ...out, value: mask }));
  return true;
}

const STEEP = 2 ** 126;

/** dY where min < Y < max. */
export function clipGrad(c: BlockedContext): boolean {
  const { b, t, node } = c;
  const [dy, y] = [node.input(0), node.input(1)];
  if (t.isPlain(y)) return false;
  const out = t.blocked(y);
  const conditions: Value[] = [];
  if (node.attributes.has('min')) conditions.push(b.op('Greater', [out.value, b.f32(node.float('min', 0))]));
  if (node.attributes.has('max')) conditions.push(b.op('Less', [out.value, b.f32(node.float('max', 0))]));
  if (conditions.length === 0) return false;
  const both = conditions.length === 2 ? b.op('And', conditions) : conditions[0];
  const mask = b.op('Cast', [both], { to: 1 });
  t.setBlocked(node.output(), times(c, dy, { ...out, value: mask, dirty: out.dims[1] !== out.channels }));
  return true;
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
