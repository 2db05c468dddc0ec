import { UsageError } from '../../base/errors.js';
import { didYouMean } from '../../base/nearest.js';
import { type Dataset, MemoryDataset } from '../dataset.js';
import { FIGURES } from './geometry.js';
import { renderShape } from './render.js';

/**
 * The built-in set: ten classes of figures, equally many of each. Its pixels are a function of `size`, `seed`, the part
 * (training or evaluation) and the index alone, and never of the run's seed: a checkpoint trained on it is evaluated on
 * the same pictures in every run, and a larger `train=` begins with the pictures of a smaller one.
 */
export interface ShapesOptions {
  /** Side, pixels. */
  readonly size: number;
  readonly train: number;
  readonly eval: number;
  readonly seed: number;
}

const RANGE = {
  size: { default: 32, low: 16, high: 512 },
  train: { default: 4096, low: 10, high: 1_000_000 },
  eval: { default: 1024, low: 10, high: 1_000_000 },
  seed: { default: 0, low: 0, high: 2 ** 32 - 1 },
} as const satisfies Record<keyof ShapesOptions, { default: number; low: number; high: number }>;

const MAX_BYTES = 2 ** 31;

function isKey(key: string): key is keyof ShapesOptions {
  return Object.hasOwn(RANGE, key);
}

/** Reads `size=48,train=1000`. @throws UsageError naming the key */
export function parseShapes(rest: string): ShapesOptions {
  const options = {
    size: RANGE.size.default as number,
    train: RANGE.train.default as number,
    eval: RANGE.eval.default as number,
    seed: RANGE.seed.default as number,
  };
  for (const part of rest.split(',').filter((p) => p !== '')) {
    const [key, value, ...more] = part.split('=');
    if (!isKey(key)) {
      const hint = didYouMean(key, Object.keys(RANGE));
      throw new UsageError({
        problem: `data shapes: no setting '${key}'`,
        expected: Object.keys(RANGE).join(', '),
        ...(hint && { hint }),
      });
    }
    const number = /^\d{1,10}$/.test(value ?? '') && more.length === 0 ? Number(value) : Number.NaN;
    const { low, high } = RANGE[key];
    if (!(number >= low && number <= high))
      throw new UsageError({
        problem: `data shapes: ${key}`,
        expected: `a whole number from ${low} to ${high}`,
        found: part,
      });
    options[key] = number;
  }
  return options;
}

/** Generates one part of the set. @throws UsageError when it would not fit in memory */
export function openShapes(options: ShapesOptions, part: 'train' | 'eval', spec: string): Dataset {
  const { size, seed } = options;
  const count = options[part];
  const bytes = size * size * 3;
  if (count * bytes > MAX_BYTES)
    throw new UsageError({
      problem: `data ${spec}: ${count} pictures of ${size}×${size} need ${Math.ceil((count * bytes) / 2 ** 20)} MiB`,
      expected: `at most ${MAX_BYTES / 2 ** 20} MiB`,
      hint: `lower size= or ${part}=`,
    });
  const pixels = new Uint8Array(count * bytes);
  const labels = new Int32Array(count);
  const scratch = new Float64Array(bytes);
  for (let i = 0; i < count; i++) {
    const out = pixels.subarray(i * bytes, (i + 1) * bytes);
    labels[i] = renderShape(size, [seed, part, size], i, out, scratch);
  }
  return new MemoryDataset(
    {
      name: `shapes ${size}×${size} (${part === 'train' ? 'training' : 'evaluation'}, seed ${seed})`,
      spec,
      classes: FIGURES.length,
      classNames: FIGURES.map((f) => f.name),
    },
    { width: size, height: size, channels: 3, pixels, labels },
  );
}
