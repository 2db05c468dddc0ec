/**
 * Slice, Pad, Gather and Concat on blocked tensors. Pixels move by one Gather of whole blocks. Channels move in whole
 * blocks where they lie so, else by a 1×1 convolution with a kernel of zeros and ones.
 */
import { concatAxis, padAttributes, sliceAxes, sliceRange, type Value } from '../../../onnx/index.js';
import { type KernelLayout, packedDims, packKernel } from './kernel.js';
import type { Blocked, Nchwc } from './nchwc.js';
import { gatherPixels } from './pixels.js';
import type { BlockedContext } from './rule.js';

/** Where each place of an axis comes from; −1: zero. */
type Places = readonly number[];

/** Up to so many products a pixel a selecting convolution costs less than going through NCHW. */
const SELECT_PRODUCTS = 1 << 17;

export function slice(c: BlockedContext): boolean {
  const dims = c.shape(c.node.input(0));
  const cuts = dims.length === 4 ? sliceAxes(c.node, 4) : undefined;
  if (!cuts) return false;
  const places: (Places | undefined)[] = [undefined, undefined, undefined, undefined];
  for (const cut of cuts) {
    const { start, count } = sliceRange(cut, dims[cut.axis]);
    places[cut.axis] = Array.from({ length: count }, (_, o) => start + o * cut.step);
  }
  return rearrange(c, places);
}

export function pad(c: BlockedContext): boolean {
  const dims = c.shape(c.node.input(0));
  if (dims.length !== 4) return false;
  const { mode, pads } = padAttributes(c.node, 4);
  const filling = c.node.inputs[2]?.constant?.typed()[0] ?? (c.node.inputs[2] ? undefined : 0);
  if (mode !== 'constant' || !pads || filling === undefined || Number(filling) !== 0) return false;
  return rearrange(
    c,
    dims.map((size, axis) => {
      const [begin, end] = [pads[axis], pads[axis + 4]];
      if (begin === 0 && end === 0) return undefined;
      return Array.from({ length: size + begin + end }, (_, o) => {
        const at = o - begin;
        return at >= 0 && at < size ? at : -1;
      });
    }),
  );
}

export function gather(c: BlockedContext): boolean {
  const { node, shape } = c;
  const dims = shape(node.input(0));
  const indices = node.input(1).constant;
  if (dims.length !== 4 || indices?.dims.length !== 1) return false;
  const axis = (node.int('axis', 0) + 4) % 4;
  const list = Array.from<bigint | number, number>(
    indices.typed(),
    (at) => (Number(at) + dims[axis]) % dims[axis],
  );
  return rearrange(
    c,
    dims.map((_, i) => (i === axis ? list : undefined)),
  );
}

function rearrange(c: BlockedContext, places: readonly (Places | undefined)[]): boolean {
  const { n, t, node, shape } = c;
  const x = node.input(0);
  if (t.isPlain(x) || places[0]?.some((from, to) => from !== to)) return false;
  const [images, channels, h, w] = shape(x);
  if (places[0] && places[0].length !== images) return false;
  const [, byChannel, byRow, byColumn] = places;
  if (byChannel && byChannel.length * channels > SELECT_PRODUCTS) return false;
  let v = t.clean(x);
  if (byRow || byColumn) {
    const [rows, columns] = [byRow ?? range(h), byColumn ?? range(w)];
    const key = `places ${rows.join()} ${columns.join()}`;
    const value = gatherPixels(n, v.value, v.dims, [rows.length, columns.length], key, (r, q) =>
      rows[r] < 0 || columns[q] < 0 ? undefined : rows[r] * w + columns[q],
    );
    v = { ...v, value, dims: [...v.dims.slice(0, 2), rows.length, columns.length] };
  }
  t.setBlocked(node.output(), byChannel ? selectChannels(n, v, byChannel) : v);
  return true;
}

/** Concat along the channels; parts that do not fill whole blocks are moved to their places and added. */
export function concat(c: BlockedContext): boolean {
  const { b, n, t, node, shape } = c;
  const out = shape(node.output());
  if (out.length !== 4 || concatAxis(node, 4) !== 1 || node.inputs.every((v) => !v || t.isPlain(v)))
    return false;
  const sources = node.inputs.flatMap((v) => (v ? [v] : []));
  const sizes = sources.map((v) => shape(v)[1]);
  const dims = [out[0], n.padded(out[1]), out[2], out[3]];
  if (sizes.slice(0, -1).every((size) => size % n.block === 0)) {
    const parts = sources.map((v) => t.clean(v).value);
    const value = b.op('Concat', parts, { axis: 1 });
    t.setBlocked(node.output(), { value, dims, channels: out[1], dirty: false });
    return true;
  }
  if (sizes.some((size) => size * out[1] > SELECT_PRODUCTS)) return false;
  let sum: Blocked | undefined;
  let from = 0;
  for (const [i, v] of sources.entries()) {
    const start = from;
    const places = Array.from({ length: out[1] }, (_, to) =>
      to >= start && to < start + sizes[i] ? to - start : -1,
    );
    sum = selectChannels(n, t.clean(v), places, sum?.value);
    from += sizes[i];
  }
  if (sum) t.setBlocked(node.output(), sum);
  return true;
}

function selectChannels(n: Nchwc, v: Blocked, places: Places, sum?: Value): Blocked {
  const [images, , h, w] = v.dims;
  const layout: KernelLayout = { kind: 'dense', block: n.block, dims: [places.length, v.channels, 1, 1] };
  const kernel = n.shared(`select ${v.channels} → ${places.join()}`, () => {
    const plain = new Float32Array(places.length * v.channels);
    for (const [to, from] of places.entries()) if (from >= 0) plain[to * v.channels + from] = 1;
    return n.b.f32(packKernel(layout, plain), packedDims(layout));
  });
  const dims = [images, n.padded(places.length), h, w];
  const value = n.conv(v.value, kernel, dims, { kernel: [1, 1], sum });
  return { value, dims, channels: places.length, dirty: false };
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
