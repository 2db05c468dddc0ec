import { NCHWC_DOMAIN } from '../../src/finetune/lowering/blocked/block.js';
import { Nchwc } from '../../src/finetune/lowering/blocked/nchwc.js';
import { Tracker } from '../../src/finetune/lowering/blocked/tracker.js';
import { median } from '../../src/finetune/run/trainer.js';
import { TRAINING_OPSET } from '../../src/finetune/step/prepare.js';
import {
  Graph,
  GraphBuilder,
  Model,
  sizeOf,
  Tensor,
  tensorType,
  type Value,
  verifyModel,
} from '../../src/onnx/index.js';
import type { Engine, StepSession } from '../../src/runtime/index.js';

/** What is timed: operators on the given tensors, and the value that they end in. */
export type Emit = (n: Nchwc, t: Tracker, inputs: readonly Value[]) => Value;

export interface Bench {
  readonly engine: Engine;
  /** B */
  readonly block: number;
  readonly warmup: number;
  readonly repeat: number;
}

/**
 * Milliseconds of each piece of work, the median of its runs, less what a run of nothing takes. They run in turn, so that
 * a slow moment of the machine hits all, as steps of training: in its sessions, with its threads.
 * @param dims of the tensors that all of them read, float32
 */
export async function timeInTurn(
  { engine, block, warmup, repeat }: Bench,
  dims: readonly (readonly number[])[],
  works: readonly Emit[],
): Promise<readonly number[]> {
  const data = dims.map((d) => Tensor.float32(d, noise(sizeOf(d))));
  const nothing: Emit = (_, __, [first]) => first;
  const sessions: StepSession[] = [];
  try {
    for (const emit of [nothing, ...works]) sessions.push(await open(engine, workModel(block, data, emit)));
    const times = sessions.map((): number[] => []);
    for (let round = 0; round < warmup + repeat; round++)
      for (const [i, session] of sessions.entries()) {
        const start = performance.now();
        await session.step(new Map());
        if (round >= warmup) times[i].push(performance.now() - start);
      }
    const [latency, ...medians] = times.map(median);
    return medians.map((m) => Math.max(0, m - latency));
  } finally {
    for (const session of sessions) await session.release();
  }
}

const RESULT = 'result';

function open(engine: Engine, model: Model): Promise<StepSession> {
  return engine.stepSession(model, { state: [], initial: new Map(), fetch: [RESULT] });
}

/**
 * The graph of one piece of work. Its tensors are inputs with a default: they lie in the session, and yet the runtime cannot
 * compute ahead with them. One element of the result comes back, so that nothing is left out and nothing large copied.
 */
export function workModel(block: number, data: readonly Tensor[], emit: Emit): Model {
  const graph = new Graph('work');
  const b = new GraphBuilder(graph, TRAINING_OPSET);
  const inputs = data.map((tensor, i) => {
    const v = graph.addInput(`input${i}`, tensorType('float32', tensor.dims));
    return graph.addInitializer(v, tensor);
  });
  const n = new Nchwc(b, block);
  const result = emit(n, new Tracker(n, new Set()), inputs);
  const flat = b.op('Reshape', [result, b.i64([-1])]);
  graph.addOutput(b.op('Gather', [flat, b.i64([0])], { axis: 0 }, { outputs: [RESULT] }));
  const model = new Model(graph, TRAINING_OPSET, 9);
  model.opsets.set(NCHWC_DOMAIN, 1);
  verifyModel(model);
  return model;
}

/** Numbers between −1 and 1 without pattern: products of zeros or tiny numbers would take another time. */
function noise(length: number): Float32Array {
  const data = new Float32Array(length);
  let state = 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    data[i] = state / 2 ** 31;
  }
  return data;
}
