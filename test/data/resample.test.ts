import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { centerCropImage, fiveCrop, mirrorImage, resizeImage, tenCrop } from '../../src/data/crops.js';
import { shorterSideSize } from '../../src/data/geometry.js';
import type { Image } from '../../src/data/image.js';
import { cropInside, type Interpolation, resample } from '../../src/data/resample.js';
import { readNpy } from '../support/arrays.js';
import { golden, goldenTest } from '../support/goldens.js';

function goldenImage(name: string): Image {
  const { dims, data } = readNpy(golden('optim/images', `${name}.npy`));
  if (!(data instanceof Uint8Array)) throw new Error(`${name} is not uint8`);
  const [height, width, channels] = dims;
  if (channels !== 3) throw new Error(`${name} has ${channels} channels`);
  return { width, height, channels, pixels: data };
}

function expectSame(actual: Image, expected: Image): void {
  expect([actual.width, actual.height, actual.channels]).toEqual([
    expected.width,
    expected.height,
    expected.channels,
  ]);
  let most = 0;
  let where = 0;
  for (let i = 0; i < expected.pixels.length; i++) {
    const d = Math.abs(actual.pixels[i] - expected.pixels[i]);
    if (d > most) {
      most = d;
      where = i;
    }
  }
  expect(most, `largest difference, at byte ${where}`).toBe(0);
}

function everyFourth(image: Image): Image {
  const width = image.width / 4;
  const height = image.height / 4;
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++)
        pixels[(y * width + x) * 3 + c] = image.pixels[(y * 4 * image.width + x * 4) * 3 + c];
  return { width, height, channels: 3, pixels };
}

const RESIZED: Record<string, (picture: Image) => Image> = {
  resize48_bilinear: (p) => resizeImage(p, 48, 'bilinear'),
  resize130_bilinear: (p) => resizeImage(p, 130, 'bilinear'),
  resize48_bicubic: (p) => resizeImage(p, 48, 'bicubic'),
  resize130_bicubic: (p) => resizeImage(p, 130, 'bicubic'),
  resize48_nearest: (p) => resizeImage(p, 48, 'nearest'),
  resize48_lanczos: (p) => resizeImage(p, 48, 'lanczos'),
  resize_40x70_bilinear: (p) => resizeImage(p, { width: 70, height: 40 }, 'bilinear'),
  eval64_bicubic_crop56: (p) => centerCropImage(resizeImage(p, 64, 'bicubic'), { width: 56, height: 56 }),
  eval256_bicubic_crop224_u8_every4: (p) =>
    everyFourth(centerCropImage(resizeImage(p, 256, 'bicubic'), { width: 224, height: 224 })),
  eval256_bilinear_crop224_u8_every4: (p) =>
    everyFourth(centerCropImage(resizeImage(p, 256, 'bilinear'), { width: 224, height: 224 })),
  center_crop_pad: (p) => centerCropImage(p, { width: 60, height: 100 }),
  center_crop_odd: (p) => centerCropImage(p, { width: 64, height: 51 }),
  hflip: mirrorImage,
};

describe('as Pillow and torchvision', () => {
  for (const [name, make] of Object.entries(RESIZED))
    goldenTest(`${name} is equal, byte for byte`, () => {
      expectSame(make(goldenImage('picture_rgb')), goldenImage(name));
    });

  goldenTest('five and ten crops are equal', () => {
    const picture = goldenImage('picture_rgb');
    for (const [name, crops] of [
      ['five_crop40', fiveCrop(picture, { width: 40, height: 40 })],
      ['ten_crop32', tenCrop(picture, { width: 32, height: 32 })],
    ] as const) {
      const { dims, data } = readNpy(golden('optim/images', `${name}.npy`));
      expect(dims[0]).toBe(crops.length);
      expect(Buffer.concat(crops.map((c) => c.pixels)).equals(Buffer.from(data.buffer))).toBe(true);
    }
  });
});

/** A committed piece of the same kind: made by Pillow (scripts/make-image-fixtures.py). */
describe('Pillow fixtures', () => {
  const file = new URL('../fixtures/data/pillow-resize.json', import.meta.url);
  const fixture: {
    pillow: string;
    source: { width: number; height: number; rgb: string };
    results: {
      interpolation: Interpolation;
      box: [number, number, number, number];
      width: number;
      height: number;
      mode: 'RGB' | 'L';
      pixels: string;
    }[];
  } = JSON.parse(readFileSync(file, 'utf8'));
  const source: Image = {
    width: fixture.source.width,
    height: fixture.source.height,
    channels: 3,
    pixels: new Uint8Array(Buffer.from(fixture.source.rgb, 'base64')),
  };
  for (const result of fixture.results) {
    const { interpolation, box, width, height, mode } = result;
    test(`${interpolation} ${mode} of ${box.join(',')} to ${width}×${height}`, () => {
      const image = mode === 'L' ? toGrey(source) : source;
      const [left, top, right, bottom] = box;
      const made = resample(
        image,
        { left, top, width: right - left, height: bottom - top },
        { width, height },
        interpolation,
      );
      const pixels = new Uint8Array(Buffer.from(result.pixels, 'base64'));
      expectSame(made, { width, height, channels: image.channels, pixels });
    });
  }

  function toGrey(image: Image): Image {
    const pixels = new Uint8Array(image.width * image.height);
    for (let i = 0; i < pixels.length; i++) pixels[i] = image.pixels[3 * i + 1];
    return { ...image, channels: 1, pixels };
  }
});

describe('a window of the resized image', () => {
  const r = randomFor('window test');
  const image: Image = {
    width: 41,
    height: 29,
    channels: 3,
    pixels: Uint8Array.from({ length: 41 * 29 * 3 }, () => r.int(256)),
  };
  for (const interpolation of ['nearest', 'bilinear', 'bicubic', 'lanczos', 'box', 'hamming'] as const)
    test(`is what cropping afterwards gives: ${interpolation}`, () => {
      const source = { left: 3, top: 2, width: 30, height: 25 };
      for (const to of [
        { width: 17, height: 12 },
        { width: 64, height: 53 },
        { width: 30, height: 40 },
        { width: 11, height: 25 },
      ]) {
        const window = { left: 4, top: 5, width: to.width - 6, height: to.height - 7 };
        expectSame(
          resample(image, source, to, interpolation, window),
          cropInside(resample(image, source, to, interpolation), window),
        );
      }
    });
});

test('the longer side is cut, not rounded, as torchvision does', () => {
  expect(shorterSideSize({ width: 500, height: 333 }, 256)).toEqual({ width: 384, height: 256 });
  expect(shorterSideSize({ width: 375, height: 500 }, 256)).toEqual({ width: 256, height: 341 });
  expect(shorterSideSize({ width: 100, height: 100 }, 7)).toEqual({ width: 7, height: 7 });
});

test('five crops of a smaller image are refused', () => {
  const image: Image = { width: 10, height: 20, channels: 1, pixels: new Uint8Array(200) };
  expect(() => fiveCrop(image, { width: 11, height: 11 })).toThrow(/larger than the image.*11×11.*10×20/s);
});
