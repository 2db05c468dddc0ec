import type { Random } from '../base/random.js';
import type { Rect } from './resample.js';

/** Where torchvision's transforms cut and to what size they resize, roundings included. All lengths in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Python's `round`: halves go to the even neighbour. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return rest < 0.5 ? floor : floor + 1;
}

/** `Resize(shorter)`: the shorter side becomes `shorter`, the longer one int(shorter · long / short). */
export function shorterSideSize(image: Size, shorter: number): Size {
  const { width, height } = image;
  if (width <= height) return { width: shorter, height: Math.trunc((shorter * height) / width) };
  return { width: Math.trunc((shorter * width) / height), height: shorter };
}

/**
 * `CenterCrop`: the window of size `crop` in an image. Where the image is smaller, torchvision first pads it with zeros,
 * ⌊missing/2⌋ before it; the window then begins at a negative place.
 */
export function centerWindow(image: Size, crop: Size): Rect {
  const start = (length: number, window: number): number =>
    window > length ? -Math.floor((window - length) / 2) : roundHalfEven((length - window) / 2);
  return {
    left: start(image.width, crop.width),
    top: start(image.height, crop.height),
    width: crop.width,
    height: crop.height,
  };
}

/**
 * `RandomResizedCrop.get_params`: a window of `scale` of the area and an aspect within `ratio`, drawn up to ten times;
 * then the largest centred one within `ratio`.
 */
export function randomResizedWindow(
  image: Size,
  random: Random,
  scale: readonly [number, number] = [0.08, 1],
  ratio: readonly [number, number] = [3 / 4, 4 / 3],
): Rect {
  const area = image.width * image.height;
  const low = Math.log(ratio[0]);
  const high = Math.log(ratio[1]);
  for (let attempt = 0; attempt < 10; attempt++) {
    const target = area * (scale[0] + (scale[1] - scale[0]) * random.next());
    const aspect = Math.exp(low + (high - low) * random.next());
    const width = roundHalfEven(Math.sqrt(target * aspect));
    const height = roundHalfEven(Math.sqrt(target / aspect));
    if (width > 0 && width <= image.width && height > 0 && height <= image.height)
      return {
        top: random.int(image.height - height + 1),
        left: random.int(image.width - width + 1),
        width,
        height,
      };
  }
  const inner = image.width / image.height;
  let { width, height } = image;
  if (inner < ratio[0]) height = roundHalfEven(width / ratio[0]);
  else if (inner > ratio[1]) width = roundHalfEven(height * ratio[1]);
  return {
    top: Math.floor((image.height - height) / 2),
    left: Math.floor((image.width - width) / 2),
    width,
    height,
  };
}
