import { type Model, Tensor } from '../../onnx/index.js';
import { compareAnswers, compareTensors, verify } from '../../reparam/index.js';
import type { Evaluation, VerifySummary } from '../results.js';
import type { Workbench } from './workbench.js';

export interface VerifiedRun {
  readonly training: Evaluation;
  readonly fused: Evaluation;
  /** The control, evaluated in the same pass. */
  readonly control: Evaluation | null;
  readonly summary: VerifySummary;
}

/** Samples of random input that the whole-model check runs beside the evaluation set. */
const RANDOM_SAMPLES = 8;

/** What a fused model is compared with. */
export interface TrainedForms {
  /** With the weights as they left the engine. */
  readonly trained: Model;
  /** The training form, read back from its file. */
  readonly written: Model;
}

/**
 * Compares the fused model with the trained state on every evaluation image, and with the training form kernel by kernel
 * in float64.
 */
export async function verifyOn(
  bench: Workbench,
  { trained, written }: TrainedForms,
  fused: Model,
  tolerance: number,
  control: Model | undefined,
): Promise<VerifiedRun> {
  const seen = new Comparison(tolerance);
  const models: Readonly<Record<string, Model>> = {
    training: trained,
    fused,
    ...(control ? { control } : {}),
  };
  const results = await bench.evaluate(models, ({ count, outputs: [a, b] }) => {
    seen.add(rows(a.logits, count, a.classes), rows(b.logits, count, b.classes), true);
    // Beyond a trailing Softmax differences are squeezed, but they are what a user sees.
    if (a.output !== a.logits)
      seen.add(rows(a.output, count, a.classes), rows(b.output, count, b.classes), false);
  });
  const random = await verify(written, fused, bench.init.host, { tolerance, samples: RANDOM_SAMPLES });
  return {
    training: results.training,
    fused: results.fused,
    control: results.control ?? null,
    summary: {
      equivalent: seen.equivalent && random.equivalent,
      maxRelative: Math.max(seen.maxRelative, random.maxRelative),
      maxAbsolute: Math.max(seen.maxAbsolute, random.maxAbsolute),
      top1Agreement: seen.agreeing / Math.max(1, seen.samples),
      worstNode: random.worstNode,
      samples: seen.samples + random.samples,
      problems: [...seen.problems, ...random.problems],
    },
  };
}

function rows(data: Float32Array, count: number, classes: number): Tensor {
  return Tensor.float32([count, classes], data.subarray(0, count * classes));
}

/** Sums up comparisons over batches. */
class Comparison {
  maxRelative = 0;
  maxAbsolute = 0;
  samples = 0;
  agreeing = 0;
  #decided = 0;

  constructor(readonly tolerance: number) {}

  add(a: Tensor, b: Tensor, scores: boolean): void {
    const errors = compareTensors(a, b, a.dims[0]);
    for (const e of typeof errors === 'string' ? [INCOMPARABLE] : errors) {
      this.maxRelative = Math.max(this.maxRelative, e.relative);
      this.maxAbsolute = Math.max(this.maxAbsolute, e.absolute);
    }
    if (!scores) return;
    const answers = compareAnswers(a, b, this.tolerance);
    this.samples += answers.samples;
    this.agreeing += answers.agreeing;
    this.#decided += answers.decided;
  }

  get equivalent(): boolean {
    return this.problems.length === 0;
  }

  get problems(): string[] {
    const list: string[] = [];
    if (!(this.maxRelative <= this.tolerance))
      list.push(
        `relative difference ${this.maxRelative} on the evaluation images, ${this.tolerance} allowed`,
      );
    if (this.#decided > 0)
      list.push(`${this.#decided} evaluation images change their top-1 answer beyond rounding`);
    return list;
  }
}

const INCOMPARABLE = { relative: Number.POSITIVE_INFINITY, absolute: Number.POSITIVE_INFINITY };
