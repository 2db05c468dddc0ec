import type { Preprocess } from '../../base/preprocess.js';
import { type GraphBuilder, Tensor, tensorType, type Value } from '../../onnx/index.js';

/** A network input, and the graph input that it is made from: itself, or pixels. */
export interface PixelInput {
  /** uint8 or float [N,C,H,W]. */
  readonly image: Value;
  /** What the network reads, float [N,C,H,W]. */
  readonly network: Value;
}

/** Puts pixels in front of a network: a uint8 input, a quarter of the bytes to copy, normalized in the graph. */
export function pixelInput(
  b: GraphBuilder,
  input: Value,
  shape: readonly number[],
  preprocess: Preprocess,
): PixelInput {
  const { graph } = b;
  const first = graph.nodes[0];
  const image = graph.addInput(graph.uniqueName('image'), tensorType('uint8', shape));
  const network = b.at(first ? { before: first } : 'end', () =>
    normalizedPixels(b, image, shape, preprocess),
  );
  graph.replaceUses(input, network);
  graph.removeInput(input);
  return { image, network };
}

/**
 * Pixels, uint8 [N,C,H,W], cast and normalized as (x·scale − mean)/std per channel, folded into one product and one sum.
 * The channel order is the loader's business.
 */
export function normalizedPixels(
  b: GraphBuilder,
  image: Value,
  [, channels]: readonly number[],
  preprocess: Preprocess,
): Value {
  const { factor, shift } = affine(preprocess, channels);
  const dims = [1, channels, 1, 1];
  return b.scope('preprocess', () => {
    const pixels = b.op('Cast', [image], { to: 1 });
    return b.op('Add', [b.op('Mul', [pixels, b.f32(factor, dims)]), b.f32(shift, dims)]);
  });
}

/** Whether two preprocessings make the same of the same pixels (not: of the same image). */
export function normalizeAlike(a: Preprocess, b: Preprocess): boolean {
  const of = (p: Preprocess): string => JSON.stringify([p.scale, p.mean, p.std]);
  return of(a) === of(b);
}

/** Pixels as the network's float input [N,C,H,W], as the graph of {@link pixelInput} makes them. */
export function normalize(pixels: Uint8Array, shape: readonly number[], preprocess: Preprocess): Tensor {
  const [, channels, height, width] = shape;
  const { factor, shift } = affine(preprocess, channels);
  const plane = height * width;
  const out = Float32Array.from(pixels, (v, i) => {
    const c = Math.floor(i / plane) % channels;
    return Math.fround(v * Math.fround(factor[c])) + Math.fround(shift[c]);
  });
  return Tensor.float32(shape, out);
}

/** (x·scale − mean)/std as x·factor + shift, per channel. */
function affine(
  preprocess: Preprocess,
  channels: number,
): { readonly factor: number[]; readonly shift: number[] } {
  const per = (values: readonly number[]): number[] =>
    Array.from({ length: channels }, (_, c) => values[values.length === 1 ? 0 : c]);
  const std = per(preprocess.std);
  return {
    factor: std.map((s) => preprocess.scale / s),
    shift: per(preprocess.mean).map((m, c) => -m / std[c]),
  };
}
