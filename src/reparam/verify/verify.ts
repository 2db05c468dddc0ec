import { cloneModel, type DataType, type Model, type Tensor, withOutputs } from '../../onnx/index.js';
import type { Engine, Session } from '../../runtime/engine.js';
import { toInferenceMode } from '../../runtime/specialize/inference-mode.js';
import { logitsOf } from '../logits.js';
import { SIGNIFICAND_DIGITS } from '../numbers.js';
import { type Agreement, classesOf, compareAnswers, compareTensors } from './compare.js';
import { type Feeds, hasOpenBatch, oneSample, randomBatches, samplesOf } from './inputs.js';
import { locate } from './locate.js';
import { signatureProblems } from './signature.js';
import { compareWeights, type WeightError } from './weights.js';

export interface VerifyOptions {
  /** Largest error allowed, relative to the scale of each output of each sample. Default 1e-5. */
  readonly tolerance?: number;
  /** Random samples; default 8, or 0 where real batches are given. */
  readonly samples?: number;
  readonly seed?: number;
  /** Real inputs, by name. */
  readonly batches?: Iterable<Feeds> | AsyncIterable<Feeds>;
  /** Dims for random inputs whose declared shape leaves more open than the batch. */
  readonly inputShapes?: Readonly<Record<string, readonly number[]>>;
}

export interface OutputError {
  readonly name: string;
  readonly maxRelative: number;
  readonly maxAbsolute: number;
}

export interface VerifyReport {
  readonly equivalent: boolean;
  /** Over outputs, and over the scores before a trailing Softmax. Infinite where the outputs cannot be compared. */
  readonly maxRelative: number;
  readonly maxAbsolute: number;
  /** Fraction of samples with the same top-1 answer; null for models without classes. */
  readonly top1Agreement: number | null;
  /** Samples with another top-1 answer. */
  readonly flips: number;
  /** Where the models part: a wrong kernel's node, the first node beyond the tolerance, or the one with the largest error. */
  readonly worstNode: string | null;
  readonly samples: number;
  readonly tolerance: number;
  readonly outputs: readonly OutputError[];
  /** Kernels that one of the models computes, against what the other stores; in float64. */
  readonly weights: readonly Pick<WeightError, 'layer' | 'maxRelative'>[];
  /** Why the models are not equivalent, in words. Empty when they are. */
  readonly problems: readonly string[];
}

/**
 * Whether two models compute the same, in inference mode: on random inputs, on real ones where given, and by the
 * algebra of their kernels. The order matters for the scale of errors only: `a` is the reference.
 */
export async function verify(
  a: Model,
  b: Model,
  engine: Engine,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  const tolerance = options.tolerance ?? 1e-5;
  const problems = signatureProblems(a, b);
  if (problems.length > 0) return refusal(problems, tolerance);
  const weights = compareWeights(a, b);
  const [x, y] = [a, b].map(inferenceClone);
  const comparison = await compareRuns(x, y, engine, options, tolerance);
  problems.push(...weights.problems, ...comparison.problems);
  const located = comparison.worst && (await locate(x, y, engine, comparison.worst, tolerance));
  return {
    equivalent: problems.length === 0,
    maxRelative: comparison.outputs.reduce((m, o) => Math.max(m, o.maxRelative), 0),
    maxAbsolute: comparison.outputs.reduce((m, o) => Math.max(m, o.maxAbsolute), 0),
    top1Agreement: comparison.answers ? comparison.answers.agreeing / comparison.answers.samples : null,
    flips: comparison.answers ? comparison.answers.samples - comparison.answers.agreeing : 0,
    worstNode: weights.worstNode ?? located?.node ?? null,
    samples: comparison.samples,
    tolerance,
    outputs: comparison.outputs,
    weights: weights.weights.map(({ layer, maxRelative }) => ({ layer, maxRelative })),
    problems,
  };
}

function refusal(problems: readonly string[], tolerance: number): VerifyReport {
  return {
    equivalent: false,
    maxRelative: Number.POSITIVE_INFINITY,
    maxAbsolute: Number.POSITIVE_INFINITY,
    top1Agreement: null,
    flips: 0,
    worstNode: null,
    samples: 0,
    tolerance,
    outputs: [],
    weights: [],
    problems,
  };
}

function inferenceClone(model: Model): Model {
  const copy = cloneModel(model);
  toInferenceMode(copy);
  return copy;
}

interface Comparison {
  readonly outputs: readonly OutputError[];
  readonly answers: Agreement | undefined;
  readonly samples: number;
  readonly problems: readonly string[];
  /** The sample with the largest error, alone where the models take it alone. */
  readonly worst: Feeds | undefined;
}

async function compareRuns(
  a: Model,
  b: Model,
  engine: Engine,
  options: VerifyOptions,
  tolerance: number,
): Promise<Comparison> {
  const points = comparisonPoints(a, b);
  const tally = new Tally(points, tolerance, hasOpenBatch(a) && hasOpenBatch(b));
  // The runtime's own fusions are off: what is compared is what the files say.
  const open = (model: Model, side: 'a' | 'b'): Promise<Session> =>
    engine.session(
      withOutputs(
        model,
        points.map((p) => p[side]),
      ),
      { optimization: 'none' },
    );
  const sessions: Session[] = [];
  try {
    sessions.push(await open(a, 'a'), await open(b, 'b'));
    for await (const feeds of allBatches(a, b, options)) {
      const [x, y] = await Promise.all(sessions.map((s) => s.run(feeds)));
      tally.add(feeds, x, y);
    }
  } finally {
    await Promise.all(sessions.map((s) => s.release()));
  }
  return tally.result();
}

async function* allBatches(a: Model, b: Model, options: VerifyOptions): AsyncGenerator<Feeds> {
  const samples = options.samples ?? (options.batches ? 0 : 8);
  yield* randomBatches(a, b, { samples, seed: options.seed ?? 0, inputShapes: options.inputShapes ?? {} });
  if (options.batches) yield* options.batches;
}

/** A value that both models have, under the name each gives it. */
interface Point {
  readonly label: string;
  readonly a: string;
  readonly b: string;
  /** Scores of classes, when their shape says so too. */
  readonly scores: boolean;
  /** An inner value: the same elements count, whatever shape each model gives them. */
  readonly inner: boolean;
}

/** Every output; and where both models end in a Softmax, the scores before it. */
function comparisonPoints(a: Model, b: Model): Point[] {
  const single = a.graph.outputs.length === 1;
  const points: Point[] = [];
  for (const output of a.graph.outputs) {
    const other = b.graph.outputs.find((v) => v.name === output.name);
    const x = logitsOf(a.graph, output);
    const y = other && logitsOf(b.graph, other);
    const before = x.activation !== undefined && y?.activation !== undefined;
    points.push({
      label: output.name,
      a: output.name,
      b: output.name,
      scores: single && !before,
      inner: false,
    });
    if (before)
      points.push({
        label: `${output.name} (before ${x.activation.node.opType})`,
        a: x.value.name,
        b: y.value.name,
        scores: single,
        inner: true,
      });
  }
  return points;
}

/** What one rounding costs, where that alone is more than the usual tolerance. */
function coarseness(type: DataType | undefined): string {
  if (type !== 'float16' && type !== 'bfloat16') return '';
  const step = 2 ** -SIGNIFICAND_DIGITS[type];
  return ` (one rounding to ${type} is up to ${step.toExponential(1)}: a tolerance of ${Number((step * 10).toPrecision(1))} suits it)`;
}

class Tally {
  readonly #errors: Map<Point, { relative: number; absolute: number; type: DataType | undefined }>;
  readonly #problems = new Set<string>();
  readonly #incomparable = new Set<Point>();
  readonly #tolerance: number;
  #answers: { samples: number; agreeing: number; decided: number } | undefined;
  #samples = 0;
  #worst: Feeds | undefined;
  #worstError = -1;

  constructor(
    points: readonly Point[],
    tolerance: number,
    readonly separable: boolean,
  ) {
    this.#errors = new Map(points.map((p) => [p, { relative: 0, absolute: 0, type: undefined }]));
    this.#tolerance = tolerance;
  }

  add(feeds: Feeds, a: ReadonlyMap<string, Tensor>, b: ReadonlyMap<string, Tensor>): void {
    const samples = samplesOf(feeds);
    this.#samples += samples;
    for (const [point, error] of this.#errors) {
      const x = a.get(point.a);
      const other = b.get(point.b);
      const y = point.inner && other && x?.size === other.size ? other.with({ dims: x.dims }) : other;
      error.type ??= x?.dataType;
      const list = x && y ? compareTensors(x, y, samples) : 'was not computed';
      if (typeof list === 'string') {
        this.#problems.add(`output '${point.label}' ${list}`);
        this.#incomparable.add(point);
        error.relative = error.absolute = Number.POSITIVE_INFINITY;
        this.#keep(feeds, 0, Number.POSITIVE_INFINITY);
        continue;
      }
      for (const [i, e] of list.entries()) {
        error.relative = Math.max(error.relative, e.relative);
        error.absolute = Math.max(error.absolute, e.absolute);
        this.#keep(feeds, i, e.relative);
      }
      if (point.scores && x && y && classesOf(x.dims) !== undefined)
        this.#count(compareAnswers(x, y, this.#tolerance));
    }
  }

  result(): Comparison {
    for (const [point, e] of this.#errors) {
      if (e.relative <= this.#tolerance || this.#incomparable.has(point)) continue;
      this.#problems.add(
        e.relative === Number.POSITIVE_INFINITY
          ? `output '${point.label}' has NaN, or infinite values in one model only`
          : `output '${point.label}' differs by ${e.relative.toExponential(2)} of its scale, more than ${this.#tolerance}${coarseness(e.type)}`,
      );
    }
    if (this.#answers && this.#answers.decided > 0)
      this.#problems.add(`${this.#answers.decided} of ${this.#answers.samples} top-1 answers differ`);
    if (this.#samples === 0) this.#problems.add('nothing was compared: no samples');
    return {
      outputs: [...this.#errors].map(([p, e]) => ({
        name: p.label,
        maxRelative: e.relative,
        maxAbsolute: e.absolute,
      })),
      answers: this.#answers,
      samples: this.#samples,
      problems: [...this.#problems],
      worst: this.#worst,
    };
  }

  #keep(feeds: Feeds, sample: number, relative: number): void {
    if (relative <= this.#worstError) return;
    this.#worstError = relative;
    this.#worst = this.separable ? oneSample(feeds, sample) : feeds;
  }

  #count(next: Agreement): void {
    const sum = this.#answers ?? { samples: 0, agreeing: 0, decided: 0 };
    this.#answers = {
      samples: sum.samples + next.samples,
      agreeing: sum.agreeing + next.agreeing,
      decided: sum.decided + next.decided,
    };
  }
}
