import { InputError } from '../base/errors.js';
import { centerWindow, roundHalfEven, type Size, shorterSideSize } from './geometry.js';
import type { Image } from './image.js';
import { cropInside, type Interpolation, resample } from './resample.js';

/** torchvision's `Resize`: the shorter side to `size`, or to exactly `size` where that is a width and a height. */
export function resizeImage(image: Image, size: number | Size, interpolation: Interpolation): Image {
  const to = typeof size === 'number' ? shorterSideSize(image, size) : size;
  return resample(image, { left: 0, top: 0, width: image.width, height: image.height }, to, interpolation);
}

/** torchvision's `CenterCrop`: zeros where the image is smaller. */
export function centerCropImage(image: Image, size: Size): Image {
  const window = centerWindow(image, size);
  const { channels } = image;
  const pixels = new Uint8Array(size.width * size.height * channels);
  const x0 = Math.max(0, window.left);
  const y0 = Math.max(0, window.top);
  const width = Math.min(image.width, window.left + size.width) - x0;
  const height = Math.min(image.height, window.top + size.height) - y0;
  const part = cropInside(image, { left: x0, top: y0, width, height });
  const line = width * channels;
  for (let y = 0; y < height; y++)
    pixels.set(
      part.pixels.subarray(y * line, (y + 1) * line),
      ((y + y0 - window.top) * size.width + x0 - window.left) * channels,
    );
  return { ...size, channels, pixels };
}

/** Left and right exchanged. */
export function mirrorImage(image: Image): Image {
  const { width, height, channels } = image;
  const pixels = new Uint8Array(image.pixels.length);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < channels; c++)
        pixels[(y * width + width - 1 - x) * channels + c] = image.pixels[(y * width + x) * channels + c];
  return { width, height, channels, pixels };
}

/** torchvision's `FiveCrop`: top left, top right, bottom left, bottom right, centre. @throws InputError when too small */
export function fiveCrop(image: Image, size: Size): Image[] {
  const { width, height } = size;
  if (width > image.width || height > image.height)
    throw new InputError({
      problem: 'crops are larger than the image',
      expected: `at least ${width}×${height}`,
      found: `${image.width}×${image.height}`,
    });
  const right = image.width - width;
  const bottom = image.height - height;
  const at = (left: number, top: number): Image => cropInside(image, { left, top, width, height });
  const centre = at(roundHalfEven(right / 2), roundHalfEven(bottom / 2));
  return [at(0, 0), at(right, 0), at(0, bottom), at(right, bottom), centre];
}

/** torchvision's `TenCrop`: the five crops, then those of the mirrored image. @throws InputError when too small */
export function tenCrop(image: Image, size: Size): Image[] {
  return [...fiveCrop(image, size), ...fiveCrop(mirrorImage(image), size)];
}
