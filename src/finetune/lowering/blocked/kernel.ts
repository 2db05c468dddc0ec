import { type GraphBuilder, sizeOf, Tensor, type Value } from '../../../onnx/index.js';
import { inDims } from '../../in-dims.js';
import { NCHWC_DOMAIN, roundUp } from './block.js';

/**
 * How the runtime's blocked convolutions want a kernel [O, I, kh, kw] (I = C/g), B channels to a block, channel counts
 * rounded up to Op, Ip and filled with zeros:
 *   dense      [Op/B, Ip/B, kh, kw, B of I, B of O]   one group, blocked input
 *   depthwise  [Op/B, kh, kw, B]                      O = C = g
 *   stem       [Op/B, I, kh, kw, B of O]              one group, input NCHW of fewer than B channels
 *   map        [Op/B, Ip/B, B of I, kh, kw, B of O]   no kernel itself: one small image for each (i, o) of a dense kernel,
 *                                                     in blocks of B images, for refocusing
 */
export type KernelKind = 'dense' | 'depthwise' | 'stem' | 'map';

export interface KernelLayout {
  readonly kind: KernelKind;
  /** B */
  readonly block: number;
  /** [O, I, kh, kw] */
  readonly dims: readonly number[];
}

/** Dims as the runtime declares a packed kernel: OIHW of the padded counts. */
export function packedDims({ kind, block, dims }: KernelLayout): number[] {
  const [o, i, ...kernel] = dims;
  return [roundUp(o, block), hasInputBlocks(kind) ? roundUp(i, block) : i, ...kernel];
}

/** Whether input channels are in blocks, too. */
export function hasInputBlocks(kind: KernelKind): boolean {
  return kind === 'dense' || kind === 'map';
}

/** OIHW elements → packed elements. */
export function packKernel(layout: KernelLayout, plain: Float32Array): Float32Array {
  const packed = new Float32Array(sizeOf(packedDims(layout)));
  forEachPlace(layout, (from, to) => {
    packed[to] = plain[from];
  });
  return packed;
}

/** Packed elements → OIHW elements. */
export function unpackKernel(layout: KernelLayout, packed: Float32Array): Float32Array {
  const plain = new Float32Array(sizeOf(layout.dims));
  forEachPlace(layout, (to, from) => {
    plain[to] = packed[from];
  });
  return plain;
}

/** Kernels have millions of elements: outputs of a block go innermost, where their places are neighbours. */
function forEachPlace(layout: KernelLayout, visit: (plain: number, packed: number) => void): void {
  const { kind, block, dims } = layout;
  const [outputs, inputs, ...kernel] = dims;
  const taps = sizeOf(kernel);
  const inputBlocks = Math.ceil(inputs / block);
  const stride = kind === 'dense' ? block * block : block;
  for (let first = 0; first < outputs; first += block) {
    const ob = first / block;
    const here = Math.min(block, outputs - first);
    for (let i = 0; i < inputs; i++) {
      const blocks = ob * inputBlocks + Math.floor(i / block);
      const start =
        kind === 'dense'
          ? (blocks * taps * block + (i % block)) * block
          : kind === 'map'
            ? (blocks * block + (i % block)) * taps * block
            : (ob * inputs + i) * taps * block;
      for (let oi = 0; oi < here; oi++) {
        const from = ((first + oi) * inputs + i) * taps;
        for (let t = 0; t < taps; t++) visit(from + t, start + oi + t * stride);
      }
    }
  }
}

/** The axes of the padded OIHW kernel, split into blocks, and their order in memory. */
function axesOf({ kind, block, dims }: KernelLayout): { split: number[]; perm: number[] } {
  const [o, i, ...kernel] = packedDims({ kind, block, dims });
  const taps = sizeOf(kernel);
  if (!hasInputBlocks(kind)) return { split: [o / block, block, i * taps], perm: [0, 2, 1] };
  return {
    split: [o / block, block, i / block, block, taps],
    perm: kind === 'dense' ? [0, 2, 4, 3, 1] : [0, 2, 3, 4, 1],
  };
}

/**
 * Packs a kernel in the graph; for kernels that are computed there.
 * @param given the elements of the kernel in order, in any dims
 */
export function packInGraph(b: GraphBuilder, layout: KernelLayout, given: Value): Value {
  const plain = inDims(b, given, layout.dims);
  const padded = packedDims(layout);
  const room = padded.map((d, axis) => d - layout.dims[axis]);
  const whole = room.every((r) => r === 0)
    ? plain
    : b.op('Pad', [plain, b.i64([...room.map(() => 0), ...room])]);
  const { split, perm } = axesOf(layout);
  const blocks = b.op('Transpose', [b.op('Reshape', [whole, b.i64(split)])], { perm });
  return b.op('Reshape', [blocks, b.i64(padded)], {}, { name: 'packed' });
}

export function unpackInGraph(b: GraphBuilder, layout: KernelLayout, packed: Value): Value {
  const { split, perm } = axesOf(layout);
  const inverse = perm.map((_, axis) => perm.indexOf(axis));
  const blocks = b.op('Reshape', [packed, b.i64(perm.map((axis) => split[axis]))]);
  const padded = packedDims(layout);
  const whole = b.op('Reshape', [b.op('Transpose', [blocks], { perm: inverse }), b.i64(padded)]);
  if (padded.every((d, axis) => d === layout.dims[axis])) return whole;
  const zeros = padded.map(() => 0);
  return b.op('Slice', [whole, b.i64(zeros), b.i64(layout.dims), b.i64(padded.map((_, axis) => axis))]);
}

/** Multiplies a packed kernel, or its gradient, by one factor per output channel: in every layout O is the last axis. */
export function scaleOutputs(b: GraphBuilder, layout: KernelLayout, packed: Value, factor: Value): Value {
  const dims = packedDims(layout);
  const blocks = dims[0] / layout.block;
  const rows = sizeOf(dims) / dims[0];
  const panels = b.op('Reshape', [packed, b.i64([blocks, rows, layout.block])]);
  const scaled = b.op('Mul', [panels, b.op('Reshape', [factor, b.i64([blocks, 1, layout.block])])]);
  return b.op('Reshape', [scaled, b.i64(dims)], {}, { name: 'scaled' });
}

/**
 * The kernel of the input gradient's convolution: channels in and out swapped, and of the taps those that `taps` names,
 * in that order. Dense: whole blocks move by one Gather, each B×B block is transposed by the runtime's multi-threaded
 * reorder. Depthwise: only taps move.
 * @param taps indices into kh·kw
 * @param kernel dims of the result, kh' × kw' = number of taps
 */
export function inputGradKernel(
  b: GraphBuilder,
  layout: KernelLayout,
  packed: Value,
  taps: readonly number[],
  kernel: readonly number[],
): Value {
  const { kind, block } = layout;
  const [o, i, ...own] = packedDims(layout);
  const count = sizeOf(own);
  const same = taps.length === count && taps.every((t, at) => t === at);
  if (kind !== 'dense') {
    if (same) return packed;
    const lines = b.op('Reshape', [packed, b.i64([o / block, count, block])]);
    const picked = b.op('Gather', [lines, indices(b, taps)], { axis: 1 });
    return b.op('Reshape', [picked, b.i64([o, 1, ...kernel])]);
  }
  const [ob, ib] = [o / block, i / block];
  const order: number[] = [];
  for (let c = 0; c < ib; c++)
    for (let d = 0; d < ob; d++) for (const t of taps) order.push((d * ib + c) * count + t);
  const blocks = b.op('Reshape', [packed, b.i64([ob * ib * count, block * block])]);
  const unmoved = order.length === ob * ib * count && order.every((from, at) => from === at);
  const picked = unmoved ? blocks : b.op('Gather', [blocks, indices(b, order)], { axis: 0 });
  return b.op('Reshape', [transposeBlocks(b, block, picked, order.length), b.i64([i, o, ...kernel])]);
}

/** Transposes each of `count` B×B blocks. */
export function transposeBlocks(b: GraphBuilder, block: number, blocks: Value, count: number): Value {
  const columns = b.op('Reshape', [blocks, b.i64([count, block, block, 1])]);
  const turned = b.op('ReorderInput', [columns], {}, { domain: NCHWC_DOMAIN });
  turned.type = columns.type;
  return turned;
}

function indices(b: GraphBuilder, list: readonly number[]): Value {
  return b.constant(Tensor.int32([list.length], list));
}
