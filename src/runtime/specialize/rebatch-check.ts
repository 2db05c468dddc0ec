import { UnsupportedError } from '../../base/errors.js';
import { byteSize, type Model, sizeOf, Tensor } from '../../onnx/index.js';
import type { Engine } from '../engine.js';
import { type InputPlan, label } from './input-shapes.js';
import { randomInputs } from './measure.js';

/** Rounding: other batch sizes take other kernels of the runtime. Mixed samples differ by the size of the values. */
const TOLERANCE = 1e-4;

/**
 * Runs both graphs on random samples: every sample must come out of the new one as it comes out of the old one.
 * @returns the largest difference, relative to the largest value of its output
 * @throws UnsupportedError when it is more than 1e-4
 */
export async function checkBatch(
  before: Model,
  after: Model,
  plan: readonly InputPlan[],
  engine: Engine,
): Promise<number> {
  const changed = plan.find((p) => p.before[0] !== p.after[0]);
  if (!changed) return 0;
  const [from] = changed.before;
  const [to] = changed.after;
  const feeds = randomInputs(after, 'batch');
  const results = await run(after, feeds, engine);
  const first = Array.from({ length: from }, (_, i) => i % to);
  const last = Array.from({ length: from }, (_, i) => (((to - from + i) % to) + to) % to);
  const names = plan.filter((p) => p.before[0] !== p.after[0]).map((p) => p.input.name);
  let worst = 0;
  for (const samples of `${first}` === `${last}` ? [first] : [first, last]) {
    const part = new Map(
      Array.from(feeds, ([name, t]) => [name, names.includes(name) ? pick(t, 0, to, samples) : t] as const),
    );
    const expected = await run(before, part, engine);
    for (const [name, reference] of expected) {
      const whole = results.get(name);
      if (!whole) continue;
      const axis = reference.dims.findIndex((d, i) => d !== whole.dims[i]);
      const actual = axis < 0 ? whole : pick(whole, axis, to, samples);
      worst = Math.max(worst, relative(actual, reference));
    }
    if (!(worst <= TOLERANCE))
      throw new UnsupportedError({
        problem: `${label(before)}: the batch size is fixed to ${from} in the file; with ${to} the samples influence each other`,
        found: `outputs differ by ${worst.toExponential(1)} of their scale`,
        hint: `export the model with an open batch axis, or use batch ${from}`,
      });
  }
  return worst;
}

async function run(
  model: Model,
  feeds: ReadonlyMap<string, Tensor>,
  engine: Engine,
): Promise<Map<string, Tensor>> {
  const session = await engine.session(model);
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

/** The rows of some samples; an axis may hold several rows per sample. */
function pick(tensor: Tensor, axis: number, batch: number, samples: readonly number[]): Tensor {
  const rows = tensor.dims[axis] / batch;
  const outer = sizeOf(tensor.dims.slice(0, axis));
  const run = byteSize(tensor.dataType, rows * sizeOf(tensor.dims.slice(axis + 1)));
  const bytes = tensor.bytes();
  const out = new Uint8Array(outer * samples.length * run);
  for (let o = 0; o < outer; o++)
    samples.forEach((s, i) => {
      const at = (o * batch + s) * run;
      out.set(bytes.subarray(at, at + run), (o * samples.length + i) * run);
    });
  return Tensor.raw(
    tensor.dataType,
    tensor.dims.map((d, i) => (i === axis ? rows * samples.length : d)),
    out,
  );
}

/** Largest difference over largest value; infinite for NaN or another shape. */
function relative(actual: Tensor, expected: Tensor): number {
  const [a, e] = [actual.typed(), expected.typed()];
  if (a.length !== e.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let scale = 0;
  for (let i = 0; i < e.length; i++) {
    const d = Math.abs(Number(a[i]) - Number(e[i]));
    difference = Math.max(difference, Number.isNaN(d) ? Number.POSITIVE_INFINITY : d);
    scale = Math.max(scale, Math.abs(Number(e[i])));
  }
  return difference === 0 ? 0 : difference / scale;
}
