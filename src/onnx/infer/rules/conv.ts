/** Conv and ConvTranspose. Attributes and formulas: ops/conv.ts, ops/window.ts. */
import type { Dim } from '../../ir/types.js';
import { convAttributes, convTransposeAttributes, transposeOutput } from '../../ops/conv.js';
import { showDims } from '../../ops/fail.js';
import { extent, windowOutput } from '../../ops/window.js';
import type { InferContext, InferRule } from '../context.js';
import type { Shape } from '../dims.js';

export const conv: InferRule = (c) => {
  const x = c.shape(0);
  const w = c.shape(1);
  const kernel = kernelOf(c, x, w);
  if (!kernel) return c.like(0, partial(x, w, 0));
  const a = convAttributes(c.node, kernel);
  const outputs = w?.[0] ?? null;
  const words =
    a.groups === 1 ? `${w?.[1]}, as the weight` : `${a.groups} groups of ${w?.[1]}, as the weight`;
  checkChannels(c, x?.[1] ?? null, mul(w?.[1] ?? null, a.groups), words);
  if (typeof outputs === 'number' && outputs % a.groups !== 0)
    c.refuse('weight', `output channels divisible by group ${a.groups}`, `${outputs}`);
  checkBias(c, outputs);
  if (!x) return c.like(0, undefined);
  const spatial = x.slice(2).map((d, i): Dim => {
    if (typeof d !== 'number') return keepsSize(a.autoPad, a.strides[i], pad(a, i), extent(a, i)) ? d : null;
    const n = windowOutput(a, i, d);
    if (n <= 0 && d > 0) refuseWindow(c, i, d, extent(a, i));
    return n;
  });
  return c.like(0, [x[0], outputs, ...spatial]);
};

export const convTranspose: InferRule = (c) => {
  const x = c.shape(0);
  const w = c.shape(1);
  const kernel = kernelOf(c, x, w);
  if (!kernel) return c.like(0, partial(x, undefined, 1));
  const a = convTransposeAttributes(c.node, kernel);
  const outputs = mul(w?.[1] ?? null, a.groups);
  checkChannels(c, x?.[1] ?? null, w?.[0] ?? null, `${w?.[0]}, as the weight`);
  const inputs = w?.[0];
  if (typeof inputs === 'number' && inputs % a.groups !== 0)
    c.refuse('weight', `input channels divisible by group ${a.groups}`, `${inputs}`);
  checkBias(c, outputs);
  if (!x) return c.like(0, undefined);
  const spatial = x.slice(2).map((d, i): Dim => {
    if (a.outputShape) return a.outputShape[i];
    if (typeof d !== 'number') return null;
    const n = transposeOutput(a, i, d);
    if (n <= 0 && d > 0) c.refuse('pads', 'an output that is not empty', `${n} along spatial axis ${i}`);
    return n;
  });
  return c.like(0, [x[0], outputs, ...spatial]);
};

/** Spatial dims of the kernel, after the ranks were checked; undefined when neither weight nor attribute tells. */
function kernelOf(
  c: InferContext,
  x: Shape | undefined,
  w: Shape | undefined,
): readonly number[] | undefined {
  c.checkRank(0, 'rank 3 or more: [N, C, …spatial]', (r) => r >= 3);
  c.checkRank(1, 'rank 3 or more', (r) => r >= 3);
  if (x && w && x.length !== w.length)
    c.refuse('weight', `rank ${x.length}, as the input ${showDims(x)}`, showDims(w));
  const own: number[] = [];
  for (const d of w?.slice(2) ?? []) if (typeof d === 'number') own.push(d);
  if (w && own.length === w.length - 2) return own;
  const declared = c.node.ints('kernel_shape');
  const rank = x ?? w;
  if (declared && rank && declared.length !== rank.length - 2)
    c.refuse('attribute kernel_shape', `${rank.length - 2} numbers`, `[${declared}]`);
  return declared;
}

function partial(x: Shape | undefined, w: Shape | undefined, channelAxis: number): Shape | undefined {
  return x && [x[0], w?.[channelAxis] ?? null, ...x.slice(2).map(() => null)];
}

function mul(d: Dim, by: number): Dim {
  return typeof d === 'number' ? d * by : by === 1 ? d : null;
}

function checkChannels(c: InferContext, found: Dim, expected: Dim, words: string): void {
  if (typeof found === 'number' && typeof expected === 'number' && found !== expected)
    c.refuse('input channels', words, `${found}`);
}

function checkBias(c: InferContext, channels: Dim): void {
  const bias = c.shape(2);
  if (!bias) return;
  const [n] = bias;
  if (bias.length !== 1 || (typeof n === 'number' && typeof channels === 'number' && n !== channels))
    c.refuse('bias', `[${channels ?? '?'}], one per output channel`, showDims(bias));
}

function pad(a: { readonly pads: readonly number[]; readonly kernel: readonly number[] }, i: number): number {
  return a.pads[i] + a.pads[a.kernel.length + i];
}

/** Whether a symbolic size passes through unchanged. */
function keepsSize(autoPad: string, stride: number, pads: number, size: number): boolean {
  if (stride !== 1) return false;
  if (autoPad === 'SAME_UPPER' || autoPad === 'SAME_LOWER') return true;
  return (autoPad === 'VALID' ? 0 : pads) === size - 1;
}

export function refuseWindow(c: InferContext, axis: number, input: number, size: number): never {
  return c.refuse(
    `kernel along spatial axis ${axis}`,
    'at most the padded input',
    `${size} (dilated) over ${input}, pads [${c.node.ints('pads') ?? '0'}]: the output would be empty`,
  );
}
