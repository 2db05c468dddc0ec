import { describe, expect, test } from 'vitest';
import { type Preprocess, presetPreprocess } from '../../src/base/preprocess.js';
import { randomFor } from '../../src/base/random.js';
import { centerCropImage, mirrorImage, resizeImage } from '../../src/data/crops.js';
import { centerWindow, randomResizedWindow, roundHalfEven } from '../../src/data/geometry.js';
import { type Image, withChannels } from '../../src/data/image.js';
import { resample } from '../../src/data/resample.js';
import { augmentedView, evalView, renderView, type View } from '../../src/data/view.js';

const r = randomFor('view test');
function noise(width: number, height: number, channels: 1 | 3 = 3): Image {
  return {
    width,
    height,
    channels,
    pixels: Uint8Array.from({ length: width * height * channels }, () => r.int(256)),
  };
}

/** Small enough to see through, and with a crop larger than a thin image. */
const base: Preprocess = { ...presetPreprocess('imagenet'), size: 28, resize: 32 };

function planes(image: Image, order: readonly number[]): Uint8Array {
  const count = image.width * image.height;
  const out = new Uint8Array(count * order.length);
  for (const [c, from] of order.entries())
    for (let i = 0; i < count; i++) out[c * count + i] = image.pixels[i * image.channels + from];
  return out;
}

function rendered(image: Image, preprocess: Preprocess, view: View): Uint8Array {
  const channels = preprocess.channels === 'GRAY' ? 1 : 3;
  const out = new Uint8Array(view.window.width * view.window.height * channels);
  renderView(image, view, preprocess, out);
  return out;
}

/** Equal bytes; quicker than toEqual on arrays. */
function expectBytes(actual: Uint8Array, expected: Uint8Array): void {
  const same = Buffer.compare(actual, expected) === 0;
  if (!same) expect(actual).toEqual(expected);
}

const evaluated = (image: Image, preprocess: Preprocess): Uint8Array =>
  rendered(image, preprocess, evalView(image, preprocess, 'test'));

describe('evaluation', () => {
  const image = noise(53, 41);
  const whole = centerCropImage(resizeImage(image, 32, 'bilinear'), { width: 28, height: 28 });

  test('resizes the shorter side and crops the centre, as planes', () => {
    expect(evaluated(image, base)).toEqual(planes(whole, [0, 1, 2]));
  });

  test('BGR exchanges the planes', () => {
    expect(evaluated(image, { ...base, channels: 'BGR' })).toEqual(planes(whole, [2, 1, 0]));
  });

  test('a grey network gets the luma, taken before resizing', () => {
    const grey = centerCropImage(resizeImage(withChannels(image, 1), 32, 'bilinear'), {
      width: 28,
      height: 28,
    });
    expect(evaluated(image, { ...base, channels: 'GRAY' })).toEqual(planes(grey, [0]));
  });

  test('a grey image fills three planes', () => {
    const grey = noise(40, 40, 1);
    const one = centerCropImage(resizeImage(grey, 32, 'bilinear'), { width: 28, height: 28 });
    expect(evaluated(grey, base)).toEqual(planes(one, [0, 0, 0]));
    expect(evaluated(grey, base)).toEqual(evaluated(withChannels(grey, 3), base));
  });

  test('no resize: the centre alone, zeros where the image is smaller', () => {
    const small = noise(20, 35);
    const crop = centerCropImage(small, { width: 28, height: 28 });
    expect(evaluated(small, { ...base, resize: null })).toEqual(planes(crop, [0, 1, 2]));
  });

  test('no crop: resized to exactly the size, height before width', () => {
    const squeezed = resizeImage(image, { width: 30, height: 18 }, 'bilinear');
    expect(evaluated(image, { ...base, crop: 'none', size: [18, 30] })).toEqual(planes(squeezed, [0, 1, 2]));
  });

  test('neither: the image as it is, refused at another size', () => {
    const preprocess: Preprocess = { ...base, size: [41, 53], resize: null, crop: 'none' };
    expect(evaluated(image, preprocess)).toEqual(planes(image, [0, 1, 2]));
    expect(() => evalView(noise(41, 53), preprocess, 'a.png')).toThrow(
      /a\.png.*expected images of 53×41.*found 41×53.*--preprocess FILE .*"resize": 41/s,
    );
  });
});

describe('augmentation', () => {
  const image = noise(32, 32);
  const cifar = presetPreprocess('cifar10');
  const size = { width: 32, height: 32 };

  test('cifar: every shift of 0 to 8 over a border of 4 zeros, both ways round', () => {
    const padded = centerCropImage(image, { width: 40, height: 40 });
    const seen = new Set<string>();
    for (let i = 0; i < 600; i++) {
      const view = augmentedView(image, cifar, 'cifar', randomFor(i), 'test');
      const cut = { left: 4 + view.shift.x, top: 4 + view.shift.y, ...size };
      const crop = resample(padded, cut, size, 'bilinear');
      expectBytes(rendered(image, cifar, view), planes(view.mirrored ? mirrorImage(crop) : crop, [0, 1, 2]));
      seen.add(`${view.shift.x},${view.shift.y}`);
    }
    expect(seen.size).toBe(81);
  });

  test('crop never mirrors, flip never moves, half of the flips mirror', () => {
    let mirrored = 0;
    for (let i = 0; i < 400; i++) {
      expect(augmentedView(image, cifar, 'crop', randomFor(i), 'test').mirrored).toBe(false);
      const flip = augmentedView(image, cifar, 'flip', randomFor(i), 'test');
      expect(flip.shift).toEqual({ x: 0, y: 0 });
      if (flip.mirrored) mirrored++;
    }
    expect(mirrored).toBeGreaterThan(150);
    expect(mirrored).toBeLessThan(250);
  });

  test('imagenet: the window cut out first, then resized', () => {
    const big = noise(90, 70);
    for (let i = 0; i < 50; i++) {
      const view = augmentedView(big, base, 'imagenet', randomFor('rrc', i), 'test');
      const cut = resample(big, view.source, { width: 28, height: 28 }, 'bilinear');
      expectBytes(rendered(big, base, view), planes(view.mirrored ? mirrorImage(cut) : cut, [0, 1, 2]));
    }
  });
});

describe('windows', () => {
  test('half a pixel rounds to the even place, as in Python', () => {
    expect([0.5, 1.5, 2.5, 3.5, 2.4, 2.6, -0.5].map(roundHalfEven)).toEqual([0, 2, 2, 4, 2, 3, 0]);
    expect(centerWindow({ width: 10, height: 11 }, { width: 5, height: 4 })).toMatchObject({
      left: 2,
      top: 4,
    });
    expect(centerWindow({ width: 4, height: 5 }, { width: 9, height: 8 })).toMatchObject({
      left: -2,
      top: -1,
    });
  });

  test('random windows lie in the image, with areas and aspects over the whole range', () => {
    const image = { width: 400, height: 300 };
    let least = 1;
    let most = 0;
    for (let i = 0; i < 2000; i++) {
      const w = randomResizedWindow(image, randomFor('window', i));
      expect(w.left >= 0 && w.top >= 0 && w.left + w.width <= 400 && w.top + w.height <= 300).toBe(true);
      const area = (w.width * w.height) / 120_000;
      least = Math.min(least, area);
      most = Math.max(most, area);
      expect(w.width / w.height).toBeGreaterThan(0.73);
      expect(w.width / w.height).toBeLessThan(1.37);
    }
    expect(least).toBeLessThan(0.1);
    expect(least).toBeGreaterThan(0.078);
    expect(most).toBeGreaterThan(0.95);
  });

  test('an image too thin for any: the largest centred part of an allowed aspect', () => {
    expect(randomResizedWindow({ width: 1000, height: 10 }, randomFor(1), [0.5, 1])).toEqual({
      left: 493,
      top: 0,
      width: 13,
      height: 10,
    });
    expect(randomResizedWindow({ width: 10, height: 1000 }, randomFor(1), [0.5, 1])).toEqual({
      left: 0,
      top: 493,
      width: 10,
      height: 13,
    });
  });
});
