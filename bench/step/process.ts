// One process of bench/step.ts: `node process.js TASK`, where TASK is JSON. The step is built as a run builds it.
import { PREPROCESS_KEY, parsePreprocess } from '../../src/base/preprocess.js';
import { OPTIM_DEFAULTS } from '../../src/finetune/options.js';
import { stepOptions } from '../../src/finetune/run/step-options.js';
import { buildTrainStep } from '../../src/finetune/step/build.js';
import { prepareTraining } from '../../src/finetune/step/prepare.js';
import { encodeModel, Tensor } from '../../src/onnx/index.js';
import { createEngine, estimateStepMemory } from '../../src/runtime/index.js';
import { buildModel } from '../../src/zoo/index.js';
import { expanded } from '../speed/cases.js';
import { forgetPeak, memoryNow, peakMemory } from '../speed/linux.js';
import { type Seconds, type StepReport, stepTask } from './task.js';

const { network, training, batch, steps, threads } = stepTask.parse(JSON.parse(process.argv[2]));
const model = expanded(buildModel(network), training);
const preprocess = parsePreprocess(model.metadata.get(PREPROCESS_KEY) ?? '', network);
const { size } = preprocess;
if (typeof size !== 'number') throw new Error(`${network} takes no square images`);
const image = [3, size, size];
const engine = await createEngine({ threads });

const prepared = await timed(() => prepareTraining(model, { batch, image, engine }));
const built = await timed(() =>
  buildTrainStep(prepared.result, { ...stepOptions(OPTIM_DEFAULTS), preprocess }),
);
const step = built.result;
const encoded = await timed(() => encodeModel(step.model).byteLength);
const estimated = estimateStepMemory(step.model, step.state).total;

forgetPeak();
const before = memoryNow();
const opened = await timed(() =>
  engine.stepSession(step.model, {
    state: step.state,
    initial: new Map(step.state.map((s) => [s.input, s.initial])),
    fetch: step.fetch,
  }),
);
for (let i = 0; i < steps; i++)
  await opened.result.step(
    new Map([
      [step.image, Tensor.uint8([batch, ...image], new Uint8Array(batch * 3 * size * size).fill(128))],
      [step.label, Tensor.int32([batch], new Int32Array(batch))],
      // The weights do not matter here, and must not diverge.
      [step.lr, Tensor.float32([], [0])],
    ]),
  );
const peak = peakMemory();
const measured = peak === null || before === null ? null : (peak - before) * 2 ** 20;
const report: StepReport = {
  nodes: step.model.graph.nodes.length,
  seconds: {
    prepare: prepared.seconds,
    build: built.seconds,
    encode: encoded.seconds,
    session: opened.seconds,
  },
  memory: { estimated, measured },
};
await engine.close();
process.stdout.write(`${JSON.stringify(report)}\n`);

async function timed<T>(work: () => T | Promise<T>): Promise<{ result: T; seconds: Seconds }> {
  const [wall, cpu] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const { user, system } = process.cpuUsage(cpu);
  return { result, seconds: { cpu: (user + system) / 1e6, wall: (performance.now() - wall) / 1e3 } };
}
