import { memoryText } from '../../base/bytes.js';
import { UsageError } from '../../base/errors.js';
import type { Preprocess } from '../../base/preprocess.js';
import { Loader, type TrainEval } from '../../data/index.js';
import type { Model, Tensor } from '../../onnx/index.js';
import {
  availableMemory,
  type ChosenDevice,
  type DeviceTrial,
  type Engine,
  estimateStepMemory,
  requireBuffers,
  requireRight,
  type StepMemory,
  type Trial,
} from '../../runtime/index.js';
import type { Listener, Phase } from '../events.js';
import { chooseLowering, type LoweringChoice } from '../lowering/choose.js';
import type { DataOptions, OptimOptions, RunOptions } from '../options.js';
import type { DataSummary, Evaluation } from '../results.js';
import { buildTrainStep, type TrainStep, type TrainStepOptions } from '../step/build.js';
import { normalize } from '../step/input.js';
import { onlyInput, prepareTraining } from '../step/prepare.js';
import { prepareTeacher, type TeacherModel } from '../step/teacher.js';
import { checkMemory } from './check-memory.js';
import { type BatchOutputs, evaluateSet } from './evaluate-set.js';
import { withKernels } from './gram-weights.js';
import { type GroupSummary, groupParameters } from './groups.js';
import { checkClasses, chooseAugment } from './resolve.js';
import { openPhase } from './resume.js';
import { stepOptions } from './step-options.js';
import { type TrainedPhase, trainPhase } from './trainer.js';
import { stepTrial, TIMED_IMAGES, timeStep, trialImages } from './trial.js';
import { withWeights } from './weights.js';

export interface WorkbenchInit {
  /** The CPU's: prepares graphs, checks results. */
  readonly host: Engine;
  readonly sets: TrainEval;
  readonly preprocess: Preprocess;
  /** The network that `options.distill` names. */
  readonly teacher: TeacherModel | undefined;
  readonly options: OptimOptions & DataOptions & RunOptions;
  readonly listener: Listener;
  readonly signal: AbortSignal | undefined;
}

/** The number of images and the engine that a step graph is for; default: the bench's. */
export interface StepPlace {
  readonly batch?: number;
  readonly engine?: Engine;
  readonly lowering?: LoweringChoice;
}

/** How the maps of a training form are trained. */
export type RefocusingOptions = Pick<TrainStepOptions, 'lrFactors' | 'form'>;

/** What training made of a model. */
export interface TrainedModel extends TrainedPhase {
  /** A copy with the trained weights. */
  readonly model: Model;
  /** What is evaluated: the same with kernels of the Gram form as α and Z say, before they went into a map. */
  readonly asTrained: Model;
  readonly step: TrainStep;
  /** What a step was expected to need. */
  readonly memory: StepMemory;
  /** What the run's groups took hold of. */
  readonly groups: readonly GroupSummary[];
}

/** Trains and evaluates models on one pair of data sets, with one set of options. */
export class Workbench {
  readonly init: WorkbenchInit;
  /** Images per step. */
  readonly batch: number;
  /** [C, H, W] of the network input. */
  readonly image: readonly [number, number, number];
  readonly skipped = new Set<string>();
  readonly #train: Loader;
  #device: ChosenDevice;
  #run: string | undefined;

  /** @throws UsageError when a step would take more images than the training set has */
  constructor(init: WorkbenchInit) {
    const { options, preprocess, sets } = init;
    this.init = init;
    this.batch = options.batch;
    this.#device = { engine: init.host, reasons: [], tried: false };
    if (this.batch > sets.train.length)
      throw new UsageError({
        problem: `--batch ${this.batch} is more than the training set has`,
        expected: `at most ${sets.train.length}, the images of ${sets.train.name}`,
        hint: `use --batch ${sets.train.length} or less`,
      });
    this.#train = new Loader(sets.train, {
      preprocess,
      seed: options.seed,
      strict: options.strict,
      ...(sets.train.storage === 'files' ? { workers: options.workers } : {}),
      batch: this.batch,
      augment: chooseAugment(options, sets.train, preprocess),
      shuffle: true,
      dropLast: true,
      fill: 'repeat',
    });
    const [, channels, height, width] = this.#train.shape;
    this.image = [channels, height, width];
  }

  /** What trains and evaluates. */
  get engine(): Engine {
    return this.#device.engine;
  }

  /** For a report: what trains and evaluates, and why. */
  get device(): { readonly device: string; readonly engine: string; readonly why: readonly string[] } {
    const { engine, reasons } = this.#device;
    return { device: engine.device, engine: engine.name, why: reasons };
  }

  /**
   * Trains and evaluates on another engine than the CPU's from now on; the bench closes it.
   * @throws EnvironmentError when it has not the kernels that `--lowering` asks for
   */
  async runOn(device: ChosenDevice): Promise<void> {
    this.#device = device;
    await chooseLowering(device.engine, this.init.options.lowering);
  }

  /** For a report: the sets, and what could not be read of them so far. */
  get summary(): DataSummary {
    const { train, eval: evaluation, how, coincide } = this.init.sets;
    return { train: train.name, eval: evaluation.name, how, coincide, skipped: [...this.skipped] };
  }

  /** The step graph that trains a model with this bench's options. @throws InputError when a label is no output of it */
  async step(
    model: Model,
    { lrFactors, form }: RefocusingOptions = {},
    { batch = this.batch, engine = this.engine, lowering = this.init.options.lowering }: StepPlace = {},
  ): Promise<TrainStep> {
    const { host, options, preprocess, sets, teacher } = this.init;
    const fixed = { batch, image: this.image, engine: host };
    const grouped = groupParameters(model, options.group, lrFactors ?? new Map());
    const prepared = await prepareTraining(model, {
      ...fixed,
      // Without weights of the user's, the model's own count.
      ...(options.aux.length > 0 && {
        auxiliary: new Map(options.aux.map(({ name, weight }) => [name, weight])),
      }),
      freeze: grouped.frozen,
    });
    checkClasses(sets.train, prepared.classes, preprocess);
    const { temperature, distillWeight: weight } = options;
    return buildTrainStep(prepared, {
      ...stepOptions(options),
      lowering: await chooseLowering(engine, lowering),
      preprocess,
      lrFactors: grouped.lrFactors,
      decays: grouped.decays,
      ...(teacher && { distill: { teacher: await prepareTeacher(teacher, fixed), temperature, weight } }),
      ...(form && { form }),
    });
  }

  /** What a device has to compute right, and faster than the CPU, before it trains a model. */
  trialOf(model: Model, refocusing?: RefocusingOptions): DeviceTrial {
    return {
      trial: (engine) => this.#trial(engine, model, refocusing),
      milliseconds: async (engine) => {
        const batch = engine === this.init.host ? Math.min(this.batch, TIMED_IMAGES) : this.batch;
        return timeStep(engine, await this.step(model, refocusing, { engine, batch }));
      },
    };
  }

  async #trial(engine: Engine, model: Model, refocusing?: RefocusingOptions): Promise<Trial> {
    const batch = Math.min(this.batch, trialImages(this.image));
    return stepTrial(await this.step(model, refocusing, { batch, engine }));
  }

  /** Bytes that a step for a model needs on the CPU. @throws InputError why there is no step for it */
  async need(model: Model, refocusing?: RefocusingOptions, batch = this.batch): Promise<number> {
    return memoryOf(await this.step(model, refocusing, { batch })).total;
  }

  /**
   * Makes sure that what runs on the processor fits into the memory. (How much a graphics device has nothing tells.)
   * @param need of a step of the run's batch
   * @throws EnvironmentError when it does not fit, unless `memoryCheck` is off
   */
  async check(model: Model, refocusing: RefocusingOptions | undefined, need: number): Promise<void> {
    if (!this.init.options.memoryCheck || this.engine.device !== 'cpu') return;
    await checkMemory({
      batch: this.batch,
      needs: async (batch) => (batch === this.batch ? need : this.need(model, refocusing, batch)),
      available: availableMemory(),
    });
  }

  /**
   * Trains a copy of a model, from its own weights or from the phase's checkpoint.
   * @throws as {@link trainPhase} and {@link check}
   */
  async train(
    phase: Phase,
    model: Model,
    epochs: number,
    refocusing?: RefocusingOptions,
  ): Promise<TrainedModel> {
    const { options, listener, signal } = this.init;
    const { engine } = this;
    const run = this.#begun();
    const opened = await openPhase({
      folder: options.out,
      run,
      phase,
      resume: options.resume,
      model,
      build: (start) => this.step(start, refocusing),
      listener,
    });
    const { step } = opened;
    const memory = memoryOf(step);
    listener({
      type: 'log',
      level: 'info',
      message: `${phase}: one step of ${this.batch} images needs about ${memoryText(memory.total)}`,
    });
    await this.check(model, refocusing, memory.total);
    if (engine !== this.init.host && this.#device.tried) {
      // BatchNormalization may have been put back since the device was chosen.
      await requireRight(engine, this.init.host, await this.#trial(engine, model, refocusing));
      await requireBuffers(engine, step.model);
    }
    const trained = await trainPhase({
      phase,
      engine,
      ...opened,
      loader: this.#train,
      options: { ...options, epochs },
      seed: options.seed,
      folder: options.out,
      run,
      checkpointEvery: options.checkpointEvery,
      listener,
      ...(signal ? { signal } : {}),
    });
    for (const s of trained.skipped) this.skipped.add(s);
    const result = withWeights(model, trained.weights);
    const { groups } = groupParameters(model, options.group, new Map());
    const asTrained = withKernels(result, trained.kernels);
    return { ...trained, step, memory, groups, model: result, asTrained };
  }

  /** Evaluates models in one pass over the evaluation set. */
  async evaluate<Name extends string>(
    models: Readonly<Record<Name, Model>>,
    each?: (batch: BatchOutputs) => void,
  ): Promise<Readonly<Record<Name, Evaluation>>> {
    const { host, preprocess, listener, signal, options, sets } = this.init;
    const { engine } = this;
    const { batch, strict, workers } = options;
    return evaluateSet(
      models,
      {
        engine,
        host,
        set: sets.eval,
        preprocess,
        batch,
        strict,
        workers,
        auxiliary: options.aux.map((o) => o.name),
        listener: (event) => {
          if (event.type === 'skipped') this.skipped.add(event.file);
          listener(event);
        },
        ...(signal ? { signal } : {}),
      },
      each,
    );
  }

  /** The network's own float inputs for the first `images` images of a shuffled epoch, without augmentation. */
  async *networkInputs(model: Model, images: number): AsyncGenerator<ReadonlyMap<string, Tensor>> {
    const { options, preprocess, sets, signal } = this.init;
    const { name, type } = onlyInput(model);
    const fixed = type?.kind === 'tensor' ? type.shape?.[0] : undefined;
    // A file may fix its batch, often at 1; a short batch is filled up with its own images.
    const batch = typeof fixed === 'number' ? fixed : this.batch;
    const loader = new Loader(sets.train, {
      preprocess,
      batch,
      seed: options.seed,
      shuffle: true,
      dropLast: batch <= sets.train.length,
      fill: 'repeat',
      ...(sets.train.storage === 'files' ? { workers: options.workers } : {}),
    });
    try {
      let seen = 0;
      for await (const batch of loader.epoch(0)) {
        signal?.throwIfAborted();
        if (batch.count === 0) continue;
        yield new Map([[name, normalize(batch.images, loader.shape, preprocess)]]);
        seen += batch.count;
        if (seen >= images) return;
      }
    } finally {
      await loader.close();
    }
  }

  /** What may come before {@link train}: the run's folder is open. @param run what {@link openRunFolder} gave for it */
  begin(run: string): void {
    this.#run = run;
  }

  async close(): Promise<void> {
    if (this.engine !== this.init.host) await this.engine.close();
    await this.#train.close();
  }

  #begun(): string {
    if (this.#run === undefined) throw new Error('the run has no folder yet');
    return this.#run;
  }
}

function memoryOf({ model, state }: TrainStep): StepMemory {
  return estimateStepMemory(model, state);
}
