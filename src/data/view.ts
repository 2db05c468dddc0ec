import { InputError } from '../base/errors.js';
import type { Preprocess } from '../base/preprocess.js';
import type { Random } from '../base/random.js';
import { centerWindow, randomResizedWindow, type Size, shorterSideSize } from './geometry.js';
import { type Image, withChannels } from './image.js';
import { type Rect, resample } from './resample.js';

/**
 * A view is how one sample becomes one network input: the part `source` of the image is resized to `resized`, the
 * `window` is cut from that (zeros where it reaches beyond), the result is moved by `shift` (zeros move in) and possibly
 * mirrored. Pixel (x, y) of the result is pixel (window.left + x + shift.x, window.top + y + shift.y) of the resized one.
 */
export interface View {
  readonly source: Rect;
  readonly resized: Size;
  readonly window: Rect;
  readonly shift: { readonly x: number; readonly y: number };
  readonly mirrored: boolean;
}

/**
 * - `none`: the evaluation transform of the preprocessing (Resize, CenterCrop).
 * - `flip`: the same, mirrored with probability ½.
 * - `crop`: the same, then Pad(4) with zeros and RandomCrop back to the size.
 * - `cifar`: `crop` and `flip`.
 * - `imagenet`: RandomResizedCrop (area 0.08 … 1, aspect 3/4 … 4/3), mirrored with probability ½.
 */
export type Augment = 'none' | 'flip' | 'crop' | 'cifar' | 'imagenet';

const PAD = 4;

/** Network input size of a preprocessing. */
export function inputSize(preprocess: Preprocess): Size {
  const { size } = preprocess;
  return typeof size === 'number' ? { width: size, height: size } : { height: size[0], width: size[1] };
}

/**
 * The evaluation view, as torchvision does it:
 * - crop 'center': Resize(resize) of the shorter side unless `resize` is null, then CenterCrop(size);
 * - crop 'none': Resize(size) to exactly that size, aspect not kept; where `resize` is null nothing is resized, and the
 *   image must have the size already.
 * @throws InputError where it has not
 */
export function evalView(image: Size, preprocess: Preprocess, where: string): View {
  const size = inputSize(preprocess);
  const source = { left: 0, top: 0, width: image.width, height: image.height };
  const still = { shift: { x: 0, y: 0 }, mirrored: false };
  if (preprocess.crop === 'none') {
    if (preprocess.resize === null && (image.width !== size.width || image.height !== size.height))
      throw new InputError({
        problem: `${where}: the preprocessing neither resizes nor crops`,
        expected: `images of ${size.width}×${size.height} (width × height)`,
        found: `${image.width}×${image.height}`,
        hint:
          `resize the images first, or let them be resized: --preprocess FILE with the model's description and ` +
          `"resize": ${Math.min(size.width, size.height)}, or a preset that resizes (imagenet, tf, caffe) if the model was trained so; ` +
          'docs/concepts.md, Preprocessing',
      });
    return { source, resized: size, window: { left: 0, top: 0, ...size }, ...still };
  }
  const resized = preprocess.resize === null ? image : shorterSideSize(image, preprocess.resize);
  return { source, resized, window: centerWindow(resized, size), ...still };
}

/** The view of a training sample. @throws InputError as {@link evalView} */
export function augmentedView(
  image: Size,
  preprocess: Preprocess,
  augment: Augment,
  random: Random,
  where: string,
): View {
  if (augment === 'imagenet') {
    const size = inputSize(preprocess);
    const source = randomResizedWindow(image, random);
    return {
      source,
      resized: size,
      window: { left: 0, top: 0, ...size },
      shift: { x: 0, y: 0 },
      mirrored: random.next() < 0.5,
    };
  }
  const view = evalView(image, preprocess, where);
  const moves = augment === 'crop' || augment === 'cifar';
  const flips = augment === 'flip' || augment === 'cifar';
  const shift = moves
    ? { x: random.int(2 * PAD + 1) - PAD, y: random.int(2 * PAD + 1) - PAD }
    : { x: 0, y: 0 };
  return { ...view, shift, mirrored: flips && random.next() < 0.5 };
}

/**
 * Renders a view into planes: `out` is one image of [C, H, W] bytes, C in the order of `preprocess.channels`, and is
 * expected to be zero.
 */
export function renderView(image: Image, view: View, preprocess: Preprocess, out: Uint8Array): void {
  const { window, resized, shift } = view;
  const { width, height } = window;
  const span = (length: number, start: number, move: number, limit: number): [number, number] => [
    Math.max(0, -move, -(start + move)),
    Math.min(length, length - move, limit - start - move),
  ];
  const [x0, x1] = span(width, window.left, shift.x, resized.width);
  const [y0, y1] = span(height, window.top, shift.y, resized.height);
  if (x1 <= x0 || y1 <= y0) return;
  const channels = preprocess.channels === 'GRAY' ? 1 : 3;
  // Colour becomes grey before resizing, as Pillow's convert('L') at loading; grey is repeated after it, which is the same.
  const input = channels === 1 ? withChannels(image, 1) : image;
  const part = resample(input, view.source, resized, preprocess.interpolation, {
    left: window.left + shift.x + x0,
    top: window.top + shift.y + y0,
    width: x1 - x0,
    height: y1 - y0,
  });
  const { pixels, channels: step, width: line } = part;
  const plane = width * height;
  const direction = view.mirrored ? -1 : 1;
  for (let c = 0; c < channels; c++) {
    let at = step === 1 ? 0 : preprocess.channels === 'BGR' ? 2 - c : c;
    for (let y = y0; y < y1; y++) {
      let to = c * plane + y * width + (view.mirrored ? width - 1 - x0 : x0);
      for (const end = at + line * step; at < end; at += step, to += direction) out[to] = pixels[at];
    }
  }
}
