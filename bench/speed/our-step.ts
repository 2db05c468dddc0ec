import { chooseLowering } from '../../src/finetune/lowering/choose.js';
import { buildTrainStep } from '../../src/finetune/step/build.js';
import { prepareTraining } from '../../src/finetune/step/prepare.js';
import { Tensor } from '../../src/onnx/index.js';
import type { Engine } from '../../src/runtime/index.js';
import { scaled, type Training, trainedForm } from './cases.js';
import { elsewhere } from './linux.js';
import type { TaskInputs } from './task.js';

/** One step, as timed. */
export interface TimedStep {
  readonly milliseconds: number;
  /** Core time that went to other programs meanwhile, milliseconds; null: not known. */
  readonly elsewhere: number | null;
  /** null: not finite. */
  readonly loss: number | null;
}

export interface OurStep {
  /** Trained numbers, each map counted as it stands in the file. */
  readonly parameters: number;
  /** How the step was made, for people. */
  readonly how: string;
  run(): Promise<TimedStep>;
  release(): Promise<void>;
}

/**
 * A step session of ours, built as src/finetune/run/workbench.ts builds it and fed as run/trainer.ts feeds it. Maps train
 * at the published rate: the peer has no other.
 * @param host what prepares the graph, where the engine is not the CPU's
 */
export async function openStep(
  engine: Engine,
  { task, images, labels }: TaskInputs,
  training: Training,
  host: Engine = engine,
): Promise<OurStep> {
  const { batch, image, preprocess, momentum, weightDecay, lr } = task;
  const network = scaled(task.network, { size: image[1], batch });
  const prepared = await prepareTraining(trainedForm(network, training), { batch, image, engine: host });
  const step = buildTrainStep(prepared, {
    preprocess,
    optimizer: { kind: 'sgd', momentum, nesterov: false, dampening: 0 },
    weightDecay,
    decayAll: false,
    loss: { kind: 'cross-entropy', labelSmoothing: 0 },
    bn: 'train',
    form: task.form,
    lowering: await chooseLowering(engine, task.lowering),
  });
  const session = await engine.stepSession(step.model, {
    state: step.state,
    initial: new Map(step.state.map((s) => [s.input, s.initial])),
    fetch: step.fetch,
  });
  const gram = step.gram.length > 0 ? `, ${step.gram.length} maps in the Gram form` : '';
  return {
    parameters: step.parameters.training,
    how: `${training}: ${step.lowering} lowering${gram}`,
    run: async () => {
      const before = elsewhere();
      const start = performance.now();
      const out = await session.step(
        new Map([
          [step.image, Tensor.uint8([batch, ...image], images)],
          [step.label, Tensor.int32([batch], labels)],
          [step.lr, Tensor.float32([], [lr])],
        ]),
      );
      const loss = Number(out.get(step.loss)?.typed()[0]);
      const milliseconds = performance.now() - start;
      const after = elsewhere();
      return {
        milliseconds,
        elsewhere: before === undefined || after === undefined ? null : Math.max(0, after - before),
        loss: Number.isFinite(loss) ? loss : null,
      };
    },
    release: () => session.release(),
  };
}
