import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InputError } from '../../src/base/errors.js';
import { centerCropImage, resizeImage } from '../../src/data/crops.js';
import { decodeFile, decodeImage } from '../../src/data/decode/decode.js';
import { withChannels } from '../../src/data/image.js';
import { readNpy } from '../support/arrays.js';
import { golden, goldenTest, sharedFile } from '../support/goldens.js';

interface Encoded {
  readonly name: string;
  readonly mode: string;
  readonly width: number;
  readonly height: number;
  readonly file: string;
  readonly rgb: string;
  readonly grey: string;
  /** Where we differ from Pillow on purpose: the grey values we give. */
  readonly ours?: string;
}

/** Made by Pillow (scripts/make-image-fixtures.py). */
const { images }: { images: Encoded[] } = JSON.parse(
  readFileSync(new URL('../fixtures/data/pillow-decode.json', import.meta.url), 'utf8'),
);
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));
const named = (name: string): Encoded => {
  const found = images.find((i) => i.name === name);
  if (!found) throw new Error(`no fixture ${name}`);
  return found;
};

function largestDifference(a: Uint8Array, b: Uint8Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i])), 0);
}

/** WebP's own RGB conversion differs by a level between versions of the library; everything else is equal. */
const TOLERANCE: Record<string, number> = { webp: 1 };

describe('as Image.open().convert() of Pillow', () => {
  for (const encoded of images)
    test(encoded.name, async () => {
      const image = await decodeImage(bytesOf(encoded.file), encoded.name);
      expect([image.width, image.height]).toEqual([encoded.width, encoded.height]);
      if (encoded.ours !== undefined) {
        expect(largestDifference(withChannels(image, 1).pixels, bytesOf(encoded.ours))).toBe(0);
        return;
      }
      const limit = TOLERANCE[encoded.name] ?? 0;
      expect(largestDifference(withChannels(image, 3).pixels, bytesOf(encoded.rgb))).toBeLessThanOrEqual(
        limit,
      );
      expect(largestDifference(withChannels(image, 1).pixels, bytesOf(encoded.grey))).toBeLessThanOrEqual(
        limit,
      );
    });

  for (const file of ['picture.png', 'picture_rgba.png', 'picture.ppm', 'picture.bmp'])
    goldenTest(`${file} is equal`, async () => {
      const image = await decodeFile(golden('optim/images', file));
      expect(image.channels).toBe(3);
      expect(Buffer.from(image.pixels).equals(readBytes('picture_rgb'))).toBe(true);
    });

  for (const file of ['picture_gray.png', 'picture_gray16.png'])
    goldenTest(`${file} is the luma of the picture`, async () => {
      const image = await decodeFile(golden('optim/images', file));
      const { dims } = readNpy(golden('optim/images', 'picture_rgb.npy'));
      const rgb = { width: dims[1], height: dims[0], channels: 3 as const, pixels: readBytes('picture_rgb') };
      expect(largestDifference(withChannels(image, 1).pixels, withChannels(rgb, 1).pixels)).toBe(0);
    });

  goldenTest('the palette picture is equal', async () => {
    const image = await decodeFile(golden('optim/images', 'picture_palette.png'));
    expect(Buffer.from(image.pixels).equals(readBytes('picture_palette_rgb'))).toBe(true);
  });

  goldenTest('each PNG filter type is equal', async () => {
    for (let f = 0; f < 5; f++) {
      const image = await decodeFile(golden('optim/images', `filter${f}.png`));
      expect(Buffer.from(image.pixels).equals(readBytes('filters_rgb'))).toBe(true);
    }
  });

  goldenTest('fifty photographs are equal, decoded and after Resize and CenterCrop', async () => {
    const file = new URL('../fixtures/data/pillow-samples.json', import.meta.url);
    const samples: { images: { path: string; decoded: string; evaluated: string }[] } = JSON.parse(
      readFileSync(file, 'utf8'),
    );
    expect(samples.images.length).toBe(50);
    const sha1 = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex');
    for (const { path, decoded, evaluated } of samples.images) {
      const image = await decodeFile(sharedFile('data/imagenet-samples', path));
      expect(sha1(image.pixels), path).toBe(decoded);
      const crop = centerCropImage(resizeImage(image, 232, 'bicubic'), { width: 224, height: 224 });
      expect(sha1(crop.pixels), path).toBe(evaluated);
    }
  });

  function readBytes(name: string): Buffer {
    return Buffer.from(readNpy(golden('optim/images', `${name}.npy`)).data.buffer);
  }
});

describe('more encodings', () => {
  const rgb = bytesOf(named('ppm').rgb);
  const raw = { raw: { width: 19, height: 13, channels: 3 as const } };

  test('16 bits of colour: the high byte', async () => {
    const wide = Uint16Array.from(rgb, (v, i) => v * 256 + ((i * 37) % 256));
    const png = await sharp(wide, raw).toColourspace('rgb16').png().toBuffer();
    const meta = await sharp(png).metadata();
    expect(meta.depth).toBe('ushort');
    expect(largestDifference((await decodeImage(png, 'wide')).pixels, rgb)).toBe(0);
  });

  test('an embedded colour profile is ignored', async () => {
    const png = await sharp(rgb, raw).withIccProfile('p3').png().toBuffer();
    expect((await sharp(png).metadata()).icc).toBeDefined();
    const plain = await sharp(png, { ignoreIcc: true }).raw().toBuffer();
    expect(largestDifference((await decodeImage(png, 'p3')).pixels, new Uint8Array(plain))).toBe(0);
  });
});

describe('broken files are refused by name', () => {
  let dir = '';
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'reparam-decode-'));
  });
  afterAll(() => rm(dir, { recursive: true }));

  const jpeg = bytesOf(named('jpeg 4:2:0').file);
  const png = bytesOf(named('png rgba').file);
  const bmp = bytesOf(named('bmp 24').file);
  const ppm = bytesOf(named('ppm').file);
  const flipped = (bytes: Uint8Array, at: number): Uint8Array => {
    const copy = bytes.slice();
    copy[at] ^= 0xff;
    return copy;
  };
  const huge = bmp.slice();
  new DataView(huge.buffer).setInt32(18, 1 << 30, true);
  const cases: Record<string, Uint8Array> = {
    'empty.jpg': new Uint8Array(0),
    'text.jpg': new TextEncoder().encode('not found'),
    'cut.jpg': jpeg.subarray(0, jpeg.length >> 1),
    'cut.png': png.subarray(0, png.length >> 1),
    'checksum.png': flipped(png, png.length - 20),
    'cut.bmp': bmp.subarray(0, bmp.length - 1),
    'huge.bmp': huge,
    'short.bmp': bmp.subarray(0, 20),
    'packed.bmp': flipped(bmp, 30),
    'cut.ppm': ppm.subarray(0, ppm.length - 1),
    'header.ppm': new TextEncoder().encode('P6\n# comment\n12 x'),
    'huge.ppm': new TextEncoder().encode('P6 99999999 99999999 255\n'),
    'zero.ppm': new TextEncoder().encode('P6 0 5 255\n'),
  };
  for (const [name, bytes] of Object.entries(cases))
    test(name, async () => {
      const path = join(dir, name);
      await writeFile(path, bytes);
      const error = await decodeFile(path).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(InputError);
      expect(String(error)).toContain(path);
    });

  test('a missing file, and a folder', async () => {
    await expect(decodeFile(join(dir, 'none.jpg'))).rejects.toThrow(/none\.jpg: no such file/);
    await expect(decodeFile(dir)).rejects.toThrow(/it is a folder/);
  });
});
