/** A decoded picture: 8 bits per channel, interleaved rows (HWC), no padding between rows. */
export interface Image {
  readonly width: number;
  readonly height: number;
  /** 1 grey, 3 RGB. */
  readonly channels: 1 | 3;
  /** `height * width * channels` bytes. */
  readonly pixels: Uint8Array;
}

/** Rows of pixels with any number of interleaved channels, as a decoder gives them. */
export interface RawPixels {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly pixels: Uint8Array;
}

/**
 * The image with 1 or 3 channels. Grey to RGB repeats the channel; RGB to grey is Pillow's `convert('L')`, the ITU-R 601
 * luma in 16-bit fixed point: `(19595·R + 38470·G + 7471·B + 32768) >> 16`.
 */
export function withChannels(image: Image, channels: 1 | 3): Image {
  if (image.channels === channels) return image;
  const { width, height, pixels } = image;
  const count = width * height;
  const out = new Uint8Array(count * channels);
  if (channels === 3)
    for (let i = 0, o = 0; i < count; i++, o += 3) {
      const v = pixels[i];
      out[o] = v;
      out[o + 1] = v;
      out[o + 2] = v;
    }
  else
    for (let i = 0, o = 0; i < count; i++, o += 3)
      out[i] = (19595 * pixels[o] + 38470 * pixels[o + 1] + 7471 * pixels[o + 2] + 32768) >>> 16;
  return { width, height, channels, pixels: out };
}

/** Drops alpha without blending, as Pillow's `convert('RGB')` does: 2 channels become 1, 4 become 3. */
export function dropAlpha(raw: RawPixels): Image {
  const { width, height, pixels } = raw;
  if (raw.channels === 1 || raw.channels === 3) return { width, height, channels: raw.channels, pixels };
  const channels = raw.channels === 2 ? 1 : 3;
  const count = width * height;
  const out = new Uint8Array(count * channels);
  for (let i = 0; i < count; i++)
    for (let c = 0; c < channels; c++) out[i * channels + c] = pixels[i * raw.channels + c];
  return { width, height, channels, pixels: out };
}
