import { UsageError } from '../base/errors.js';
import { PREPROCESS_KEY, parsePreprocess } from '../base/preprocess.js';
import { inputSize } from '../data/index.js';
import type { Model } from '../onnx/index.js';
import { createEngine, type Engine, estimateStepMemory, type StepMemory } from '../runtime/index.js';
import { chooseLowering, type LoweringChoice } from './lowering/choose.js';
import type { OptimOptions, RefocusOptions } from './options.js';
import { imageInput } from './run/resolve.js';
import { stepOptions } from './run/step-options.js';
import { buildTrainStep, type TrainStep } from './step/build.js';
import { kindOf } from './step/kinds.js';
import { partsOf, type StepPart } from './step/parts.js';
import { prepareTraining } from './step/prepare.js';

export interface InspectStepOptions extends OptimOptions, Pick<RefocusOptions, 'form'> {
  /** Size of the images, pixels, where neither the model nor its preprocessing says. */
  readonly image?: { readonly height: number; readonly width: number };
  readonly lowering: LoweringChoice;
  /** Also makes the runtime's session, to time it. */
  readonly create: boolean;
}

/** Seconds by the clock, and of all threads together. */
export interface Seconds {
  readonly wall: number;
  readonly processor: number;
}

/** A training step before it runs. */
export interface StepInspection {
  readonly step: TrainStep;
  /** [C, H, W] of the network's input. */
  readonly image: readonly number[];
  readonly parts: Readonly<Record<StepPart, number>>;
  /** Nodes by operator and kind, most first. */
  readonly ops: readonly { readonly op: string; readonly nodes: number }[];
  readonly memory: StepMemory;
  /** Of fixing the shapes, of building the graph, and, when asked for, of the runtime's session. */
  readonly seconds: { readonly prepare: Seconds; readonly build: Seconds; readonly session: Seconds | null };
}

/**
 * Builds the graph that trains a model, as `train` and `refocus` build it, and says what is in it. No step runs.
 * @throws UsageError when the image size is not known; else as {@link prepareTraining} and {@link buildTrainStep}
 */
export async function inspectStep(model: Model, options: InspectStepOptions): Promise<StepInspection> {
  const own = model.metadata.get(PREPROCESS_KEY);
  const preprocess = own === undefined ? undefined : parsePreprocess(own, `metadata ${PREPROCESS_KEY}`);
  const size = preprocess && inputSize(preprocess);
  const [channels, ...sides] = imageInput(model);
  const image = [
    channels ?? (preprocess?.channels === 'GRAY' ? 1 : 3),
    ...(['height', 'width'] as const).map((axis, i) => {
      const [fixed, wanted] = [sides[i] ?? undefined, options.image?.[axis]];
      if (fixed !== undefined && wanted !== undefined && fixed !== wanted)
        throw new UsageError({
          problem: `--image: ${model.source ?? 'the model'} takes images of one size`,
          expected: `a ${axis} of ${fixed}`,
          found: `${wanted}`,
        });
      const side = fixed ?? wanted ?? size?.[axis];
      if (side !== undefined) return side;
      throw new UsageError({
        problem: `${model.source ?? 'the model'} takes images of any size`,
        expected: '--image N or HxW, the size of the images in pixels',
      });
    }),
  ];
  const engine = await createEngine();
  try {
    const lowering = await chooseLowering(engine, options.lowering);
    const prepared = await timed(() => prepareTraining(model, { batch: options.batch, image, engine }));
    const built = await timed(() =>
      buildTrainStep(prepared.result, {
        ...stepOptions(options),
        form: options.form,
        lowering,
        ...(preprocess && { preprocess }),
      }),
    );
    const step = built.result;
    return {
      step,
      image,
      parts: countParts(step),
      ops: histogram(step),
      memory: estimateStepMemory(step.model, step.state),
      seconds: {
        prepare: prepared.seconds,
        build: built.seconds,
        session: options.create ? (await timed(() => openOnce(engine, step))).seconds : null,
      },
    };
  } finally {
    await engine.close();
  }
}

async function openOnce(engine: Engine, step: TrainStep): Promise<void> {
  const session = await engine.stepSession(step.model, {
    state: step.state,
    initial: new Map(step.state.map((s) => [s.input, s.initial])),
    fetch: step.fetch,
  });
  await session.release();
}

async function timed<T>(
  work: () => T | Promise<T>,
): Promise<{ readonly result: T; readonly seconds: Seconds }> {
  const [wall, processor] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const { user, system } = process.cpuUsage(processor);
  return { result, seconds: { wall: (performance.now() - wall) / 1e3, processor: (user + system) / 1e6 } };
}

function countParts(step: TrainStep): Record<StepPart, number> {
  const counts = { forward: 0, gradient: 0, optimizer: 0 } satisfies Record<StepPart, number>;
  for (const part of partsOf(step).values()) counts[part]++;
  return counts;
}

function histogram({ model }: TrainStep): { op: string; nodes: number }[] {
  const counts = new Map<string, number>();
  for (const node of model.graph.nodes) {
    const op = kindOf(node);
    counts.set(op, (counts.get(op) ?? 0) + 1);
  }
  return Array.from(counts, ([op, nodes]) => ({ op, nodes })).sort(
    (a, b) => b.nodes - a.nodes || (a.op < b.op ? -1 : 1),
  );
}
