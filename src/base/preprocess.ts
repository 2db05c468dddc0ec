import { z } from 'zod';
import { InputError, UsageError } from './errors.js';
import { parseJson } from './parse-json.js';

/**
 * How pixels become a network's input, as torchvision and timm describe it. Part of a model: stored as JSON in
 * `metadata_props["reparam.preprocess"]`. Pixels are first divided by `1 / scale` (so `scale` 1/255 maps to 0..1), then
 * `(x - mean) / std` per channel, in `channels` order.
 */
export const preprocessSchema = z
  .object({
    /** Side of the square network input, pixels; [height, width] where it is not square. */
    size: z.union([
      z.number().int().positive(),
      z.tuple([z.number().int().positive(), z.number().int().positive()]),
    ]),
    /** Shorter side after resizing, before the crop, pixels; null: no resize (the image must have the crop's size). */
    resize: z.number().int().positive().nullable(),
    /** How the `size` window is cut: 'center', or 'none' where resizing gives it directly. */
    crop: z.enum(['center', 'none']),
    interpolation: z.enum(['nearest', 'bilinear', 'bicubic', 'lanczos']),
    scale: z.number().positive(),
    mean: z.array(z.number()).min(1).max(4),
    std: z.array(z.number().positive()).min(1).max(4),
    channels: z.enum(['RGB', 'BGR', 'GRAY']),
    /** Added to a dataset's class index to give the network's output index (1 where output 0 is background). */
    labelOffset: z.number().int().default(0),
  })
  .strict();

export type Preprocess = z.infer<typeof preprocessSchema>;

export const PREPROCESS_KEY = 'reparam.preprocess';

const IMAGENET_MEAN = [0.485, 0.456, 0.406];
const IMAGENET_STD = [0.229, 0.224, 0.225];

/** Named presets of `--preprocess`; `size` is replaced by the model's own input size where that is fixed. */
export const PREPROCESS_PRESETS = {
  imagenet: {
    size: 224,
    resize: 256,
    crop: 'center',
    interpolation: 'bilinear',
    scale: 1 / 255,
    mean: IMAGENET_MEAN,
    std: IMAGENET_STD,
    channels: 'RGB',
    labelOffset: 0,
  },
  cifar10: {
    size: 32,
    resize: null,
    crop: 'none',
    interpolation: 'bilinear',
    scale: 1 / 255,
    mean: [0.4914, 0.4822, 0.4465],
    std: [0.2023, 0.1994, 0.201],
    channels: 'RGB',
    labelOffset: 0,
  },
  tf: {
    size: 224,
    resize: 256,
    crop: 'center',
    interpolation: 'bilinear',
    scale: 1 / 127.5,
    mean: [1, 1, 1],
    std: [1, 1, 1],
    channels: 'RGB',
    labelOffset: 0,
  },
  caffe: {
    size: 224,
    resize: 256,
    crop: 'center',
    interpolation: 'bilinear',
    scale: 1,
    mean: [103.939, 116.779, 123.68],
    std: [1, 1, 1],
    channels: 'BGR',
    labelOffset: 0,
  },
} as const satisfies Record<string, unknown>;

export function isPreset(name: string): name is keyof typeof PREPROCESS_PRESETS {
  return Object.hasOwn(PREPROCESS_PRESETS, name);
}

/** Parses the JSON of a file or of a model's metadata. `where` is named in the error. @throws InputError */
export function parsePreprocess(json: string, where: string): Preprocess {
  const parsed = parseJson(preprocessSchema, json, where, {
    problem: `${where} is no preprocessing description`,
    hint: 'it needs size, resize, crop, interpolation, scale, mean, std, channels (docs/concepts.md, Preprocessing)',
  });
  if (parsed.mean.length !== parsed.std.length)
    throw new InputError({
      problem: `${where}: mean and std`,
      expected: 'equal lengths',
      found: `${parsed.mean.length} and ${parsed.std.length}`,
    });
  return parsed;
}

/** Preset by name with the model's own input size. @throws UsageError for an unknown name. */
export function presetPreprocess(name: string, size?: number): Preprocess {
  if (!isPreset(name))
    throw new UsageError({
      problem: `no preprocessing preset '${name}'`,
      expected: Object.keys(PREPROCESS_PRESETS).join(', '),
    });
  const preset = PREPROCESS_PRESETS[name];
  const chosen = size ?? preset.size;
  const resize = preset.resize === null ? null : Math.round((chosen * preset.resize) / preset.size);
  return { ...preset, mean: [...preset.mean], std: [...preset.std], size: chosen, resize };
}
