import { InputError } from '../../base/errors.js';
import type { Image } from '../image.js';

/** Windows bitmaps: uncompressed, 8 bits with a palette, 24 or 32 bits (BGR order); rows bottom-up or top-down. */
export function isBmp(bytes: Uint8Array): boolean {
  return bytes[0] === 0x42 && bytes[1] === 0x4d;
}

/** @throws InputError for a compressed or truncated file and for other depths */
export function decodeBmp(bytes: Uint8Array, where: string): Image {
  const bad = (found: string): InputError =>
    new InputError({
      problem: `${where}: this BMP cannot be read`,
      expected: 'an uncompressed bitmap of 8, 24 or 32 bits',
      found,
      hint: 'convert it to PNG',
    });
  if (bytes.length < 54) throw bad(`only ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = view.getUint32(10, true);
  const headerSize = view.getUint32(14, true);
  if (headerSize < 40) throw bad(`an OS/2 header of ${headerSize} bytes`);
  const width = view.getInt32(18, true);
  const signedHeight = view.getInt32(22, true);
  const bits = view.getUint16(28, true);
  const compression = view.getUint32(30, true);
  const height = Math.abs(signedHeight);
  if (compression !== 0 || ![8, 24, 32].includes(bits)) throw bad(`compression ${compression}, ${bits} bits`);
  if (width < 1 || height < 1) throw bad(`width ${width}, height ${signedHeight}`);
  const stride = Math.ceil((width * bits) / 32) * 4;
  if (start + stride * height > bytes.length)
    throw bad(`${bytes.length} bytes where ${start + stride * height} are declared`);
  const pixels = new Uint8Array(width * height * 3);
  const palette = 14 + headerSize;
  const entries = view.getUint32(46, true) || 256;
  if (bits === 8 && palette + Math.min(entries, 256) * 4 > bytes.length) throw bad('a truncated palette');
  for (let y = 0; y < height; y++) {
    const row = start + stride * (signedHeight > 0 ? height - 1 - y : y);
    for (let x = 0; x < width; x++) {
      const to = (y * width + x) * 3;
      const from = bits === 8 ? palette + bytes[row + x] * 4 : row + (x * bits) / 8;
      if (bits === 8 && bytes[row + x] >= entries) throw bad(`palette index ${bytes[row + x]} of ${entries}`);
      pixels[to] = bytes[from + 2];
      pixels[to + 1] = bytes[from + 1];
      pixels[to + 2] = bytes[from];
    }
  }
  return { width, height, channels: 3, pixels };
}
