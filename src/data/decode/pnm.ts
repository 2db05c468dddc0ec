import { InputError } from '../../base/errors.js';
import type { Image } from '../image.js';

/** Binary PGM (P5) and PPM (P6), 8 or 16 bits (netpbm's format description); of 16 bits the high byte after scaling. */
export function isPnm(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && (bytes[1] === 0x35 || bytes[1] === 0x36);
}

/** @throws InputError when the header is malformed or the pixels are not all there */
export function decodePnm(bytes: Uint8Array, where: string): Image {
  const bad = (found: string): InputError =>
    new InputError({ problem: `${where}: not a valid binary PGM/PPM image`, found });
  let at = 2;
  const number = (): number => {
    for (;;) {
      while (at < bytes.length && isSpace(bytes[at])) at++;
      if (bytes[at] !== 0x23) break;
      while (at < bytes.length && bytes[at] !== 0x0a) at++;
    }
    const from = at;
    let value = 0;
    while (at < bytes.length && bytes[at] >= 0x30 && bytes[at] <= 0x39 && at - from < 9)
      value = value * 10 + bytes[at++] - 0x30;
    if (at === from) throw bad(`no number at byte ${from}`);
    return value;
  };
  const width = number();
  const height = number();
  const maximum = number();
  if (!isSpace(bytes[at])) throw bad(`no space after the header at byte ${at}`);
  at++;
  if (width < 1 || height < 1 || maximum < 1 || maximum > 65535)
    throw bad(`width ${width}, height ${height}, maximum ${maximum}`);
  const channels = bytes[1] === 0x35 ? 1 : 3;
  const sampleBytes = maximum > 255 ? 2 : 1;
  const count = width * height * channels;
  if (bytes.length - at < count * sampleBytes)
    throw bad(`${bytes.length - at} bytes of pixels where ${count * sampleBytes} are declared`);
  const pixels = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const v = sampleBytes === 1 ? bytes[at + i] : (bytes[at + 2 * i] << 8) | bytes[at + 2 * i + 1];
    // Pillow: round half up onto 0..255 where the maximum is another.
    pixels[i] = maximum === 255 ? v : Math.min(255, Math.floor((v / maximum) * 255 + 0.5));
  }
  return { width, height, channels, pixels };
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}
