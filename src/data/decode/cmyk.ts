import type { Image, RawPixels } from '../image.js';

/**
 * CMYK to RGB as Pillow's `convert('RGB')`: with n = 255 − K, R = n − C·n/255 (rounded division), and so on. C, M, Y, K
 * are amounts of ink: 255 is full ink.
 */
export function cmykToRgb(raw: RawPixels): Image {
  const count = raw.width * raw.height;
  const out = new Uint8Array(count * 3);
  for (let i = 0; i < count; i++) {
    const at = i * raw.channels;
    const n = 255 - raw.pixels[at + 3];
    for (let c = 0; c < 3; c++) {
      const t = raw.pixels[at + c] * n + 128;
      out[i * 3 + c] = Math.max(0, n - ((t + (t >> 8)) >> 8));
    }
  }
  return { width: raw.width, height: raw.height, channels: 3, pixels: out };
}
