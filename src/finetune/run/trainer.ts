import { CheckFailedError } from '../../base/errors.js';
import { randomFor } from '../../base/random.js';
import type { Loader } from '../../data/index.js';
import { Tensor } from '../../onnx/index.js';
import type { Engine, StepSession } from '../../runtime/index.js';
import type { Listener, Phase } from '../events.js';
import type { OptimOptions } from '../options.js';
import { learningRate } from '../schedule.js';
import type { TrainStep } from '../step/build.js';
import { fromState, modelState } from '../step/state.js';
import { type Checkpoint, saveCheckpoint } from './checkpoint.js';
import { explicitWeights, type TrainedWeights } from './gram-weights.js';
import type { Start } from './starts.js';

export interface TrainPhase {
  readonly phase: Phase;
  readonly engine: Engine;
  readonly step: TrainStep;
  /** Where to go on; undefined: at the start. */
  readonly from: Checkpoint | undefined;
  /** What the maps of the Gram form are made from. */
  readonly starts: readonly Start[];
  readonly loader: Loader;
  readonly options: OptimOptions;
  /** Of the run: the masks of dropout follow from it and the step's number. */
  readonly seed: number;
  /** The run folder, which holds the checkpoints. */
  readonly folder: string;
  /** What {@link openRunFolder} gave. */
  readonly run: string;
  /** Steps between checkpoints; 0: at the end of each epoch. */
  readonly checkpointEvery: number;
  readonly listener: Listener;
  readonly signal?: AbortSignal;
}

export interface TrainedPhase extends TrainedWeights {
  readonly milliseconds: readonly number[];
  readonly skipped: readonly string[];
}

/**
 * Trains for `options.epochs`, from the start or from a checkpoint. Step, order and augmentation depend on
 * nothing but the options and the seed, so a resumed run ends with the same bytes.
 * @throws CheckFailedError when the loss or the state is no longer finite
 */
export async function trainPhase(init: TrainPhase): Promise<TrainedPhase> {
  const { phase, engine, step, loader, options, folder, listener, signal } = init;
  const perEpoch = loader.steps;
  const steps = options.epochs * perEpoch;
  const progress = new Progress(init, steps, init.from);
  const session = await engine.stepSession(step.model, {
    state: step.state,
    initial: init.from?.state ?? new Map(step.state.map((s) => [s.input, s.initial])),
    fetch: step.fetch,
  });
  try {
    listener({ type: 'phase', phase, epochs: options.epochs, steps, from: progress.done });
    let saved = progress.done;
    const save = async (): Promise<void> => {
      if (saved === progress.done && saved > 0) return;
      const path = await saveCheckpoint(folder, step, await progress.checkpoint(session));
      saved = progress.done;
      listener({ type: 'checkpoint', phase, step: saved, path });
    };
    for (let epoch = Math.floor(progress.done / perEpoch); epoch < options.epochs; epoch++) {
      let running: Promise<void> = Promise.resolve();
      for await (const batch of loader.epoch(epoch, progress.done - epoch * perEpoch)) {
        // One step runs while the next batch is waited for and sent.
        await running;
        signal?.throwIfAborted();
        if (init.checkpointEvery > 0 && progress.done % init.checkpointEvery === 0 && progress.done !== saved)
          await save();
        for (const s of batch.skipped) progress.skip(s.name, s.reason);
        if (batch.count === 0) {
          progress.pass();
          continue;
        }
        const number = epoch * perEpoch + batch.number;
        const lr = learningRate(options, number, perEpoch);
        const feeds = new Map([
          [step.image, Tensor.uint8(loader.shape, batch.images)],
          [step.label, Tensor.int32([step.batch], batch.labels)],
          [step.lr, Tensor.float32([], [lr])],
        ]);
        if (step.seed !== undefined) feeds.set(step.seed, maskSeed(init.seed, number));
        const sent = performance.now();
        running = session.step(feeds).then((out) => progress.finish(out, epoch, lr, sent));
        running.catch(() => undefined);
      }
      await running;
      signal?.throwIfAborted();
      await save();
    }
    const state = await session.readState();
    progress.requireFinite(state);
    const trained = new Map<string, Tensor>();
    for (const s of modelState(step.state)) {
      const tensor = state.get(s.input);
      if (tensor) trained.set(s.name, fromState(s, tensor));
    }
    return {
      ...explicitWeights(step.gram, trained),
      milliseconds: progress.milliseconds,
      skipped: [...progress.skipped],
    };
  } finally {
    await session.release();
  }
}

/** What a step's masks follow from: 32 random bits, the same in a control and in what it is compared with. */
function maskSeed(seed: number, step: number): Tensor {
  return Tensor.int32([], [randomFor(seed, 'masks', step).int(2 ** 32) | 0]);
}

/** Counts steps, times them, and reports. */
class Progress {
  done: number;
  readonly milliseconds: number[];
  readonly skipped: Set<string>;
  #last = 0;

  constructor(
    readonly init: TrainPhase,
    readonly steps: number,
    start: Checkpoint | undefined,
  ) {
    this.done = start?.step ?? 0;
    this.milliseconds = [...(start?.milliseconds ?? [])];
    this.skipped = new Set(start?.skipped);
  }

  skip(file: string, reason: string): void {
    if (this.skipped.has(file)) return;
    this.skipped.add(file);
    this.init.listener({ type: 'skipped', file, reason });
  }

  /** A step of which no image can be read counts, so that the others keep their rate and place, and changes nothing. */
  pass(): void {
    this.done++;
  }

  finish(out: ReadonlyMap<string, Tensor>, epoch: number, lr: number, sent: number): void {
    const { step, phase, options, listener } = this.init;
    const now = performance.now();
    const milliseconds = now - Math.max(sent, this.#last);
    this.#last = now;
    this.done++;
    this.milliseconds.push(Math.round(milliseconds * 100) / 100);
    const loss = scalar(out, step.loss);
    if (!Number.isFinite(loss)) throw this.#diverged(`the loss is ${loss}`);
    const typical = median(this.milliseconds.slice(-20));
    listener({
      type: 'step',
      phase,
      epoch,
      epochs: options.epochs,
      step: this.done,
      steps: this.steps,
      loss,
      top1: scalar(out, step.correct) / step.batch,
      lr,
      milliseconds,
      imagesPerSecond: (1000 * step.batch) / typical,
      secondsLeft: ((this.steps - this.done) * typical) / 1000,
    });
  }

  /** The loss of a step tells of the weights before it: what is kept is looked at itself. */
  requireFinite(state: ReadonlyMap<string, Tensor>): void {
    for (const { name, kind, input } of this.init.step.state) {
      const data = state.get(input)?.typed();
      if (data instanceof Float32Array && !data.every(Number.isFinite))
        throw this.#diverged(`${kind} '${name}' is no longer finite`);
    }
  }

  #diverged(what: string): CheckFailedError {
    const { phase, options } = this.init;
    return new CheckFailedError({
      problem: `${phase}: ${what} at step ${this.done} of ${this.steps}`,
      hint: `lower --lr (now ${options.lr}), or add --warmup-epochs or --clip-norm; the last checkpoint is kept`,
    });
  }

  async checkpoint(session: StepSession): Promise<Checkpoint> {
    const state = await session.readState();
    this.requireFinite(state);
    return {
      run: this.init.run,
      phase: this.init.phase,
      step: this.done,
      state,
      starts: this.init.starts,
      milliseconds: this.milliseconds,
      skipped: [...this.skipped],
    };
  }
}

function scalar(out: ReadonlyMap<string, Tensor>, name: string): number {
  return Number(out.get(name)?.typed()[0]);
}

export function median(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
