import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { InputError } from '../../base/errors.js';
import { fileError } from '../../base/files.js';
import { dropAlpha, type Image } from '../image.js';
import { decodeBmp, isBmp } from './bmp.js';
import { cmykToRgb } from './cmyk.js';
import { decodePnm, isPnm } from './pnm.js';

/**
 * Decoding as torchvision's and timm's loaders do it, that is `Image.open(path).convert('RGB')` of Pillow:
 * - the EXIF orientation is NOT applied (Pillow does not do so on its own, and published accuracies were measured so);
 * - an embedded colour profile is ignored;
 * - alpha is dropped, not blended; a palette is expanded;
 * - CMYK becomes RGB by Pillow's formula, without a profile (./cmyk.ts);
 * - of 16 bits per channel the high byte is kept. (Pillow does so for colour too, but clips 16-bit grey at 255, which
 *   makes most such images white: there we differ.)
 * JPEG, PNG, WebP, GIF (first frame), TIFF and AVIF are read by libvips, BMP and PGM/PPM here.
 */

/** As Pillow's limit against decompression bombs: twice 89,478,485 pixels. */
export const MAX_PIXELS = 178_956_970;

// Parallelism is ours (one image per worker), and no image is read twice.
sharp.cache(false);
sharp.concurrency(1);

/** Decodes the image in `bytes`. @throws InputError naming `where` when it is no image, corrupt, truncated or too large */
export async function decodeImage(bytes: Uint8Array, where: string): Promise<Image> {
  if (bytes.length === 0) throw new InputError({ problem: `${where}: the image file is empty` });
  if (isBmp(bytes)) return decodeBmp(bytes, where);
  if (isPnm(bytes)) return decodePnm(bytes, where);
  try {
    const options = { failOn: 'error', ignoreIcc: true, limitInputPixels: MAX_PIXELS } as const;
    const input = sharp(bytes, options);
    const cmyk = mayBeCmyk(bytes) && (await input.metadata()).space === 'cmyk';
    if (cmyk) input.pipelineColourspace('cmyk').toColourspace('cmyk');
    const { data, info } = await input.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    const pixels = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const raw = { width: info.width, height: info.height, channels: info.channels, pixels };
    return cmyk ? cmykToRgb(raw) : dropAlpha(raw);
  } catch (cause) {
    throw new InputError({
      problem: `${where}: the image cannot be decoded`,
      found: cause instanceof Error ? cause.message.split('\n')[0] : String(cause),
      cause,
    });
  }
}

/** False for the JPEGs of 1 or 3 components and the PNGs that most files are: asking libvips costs a tenth of a decoding. */
function mayBeCmyk(bytes: Uint8Array): boolean {
  if (bytes[0] === 0x89) return false;
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return true;
  // From marker to marker up to the frame header, SOF0 to SOF15 without DHT, JPG and DAC.
  for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1];
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc)
      return bytes[at + 9] === 4;
    at += 2 + ((bytes[at + 2] << 8) | bytes[at + 3]);
  }
  return true;
}

/** Reads and decodes one file. @throws InputError, EnvironmentError */
export async function decodeFile(path: string): Promise<Image> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw fileError(path, 'reading image', cause);
  }
  return decodeImage(bytes, path);
}
