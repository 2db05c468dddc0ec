import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Graph, GraphBuilder, Model, Tensor, tensorType } from '../../../src/onnx/index.js';
import { createEngine, type Engine } from '../../../src/runtime/index.js';
import { loadRuntime } from '../../../src/runtime/ort/load.js';
import { withRefusedOutput } from '../../../src/runtime/ort/refused-output.js';
import { fillingRun } from '../../../src/runtime/ort/run-step.js';
import { STEP_STATE, stepModel } from './graphs.js';

const STATE = [{ input: 'w', output: "w'" }];

/** w' = w + x[at], sums = Σ w' over the columns, both [2, 3] long; `at` beyond the rows of x fails. */
function gatherStep(opset = 20): Model {
  const graph = new Graph('gather');
  const x = graph.addInput('x', tensorType('float32', [4, 3]));
  const at = graph.addInput('at', tensorType('int64', [2]));
  const w = graph.addInput('w', tensorType('float32', [2, 3]));
  const b = new GraphBuilder(graph, opset);
  const next = b.op('Add', [w, b.op('Gather', [x, at], { axis: 0 })], {}, { outputs: ["w'"] });
  const sums = b.op('ReduceSum', [next, b.i64([1])], { keepdims: 0 }, { outputs: ['sums'] });
  next.type = w.type;
  sums.type = tensorType('float32', [2]);
  // State first: the output that is refused has to come before it.
  for (const value of [next, sums]) graph.addOutput(value);
  return new Model(graph, opset);
}

const rows = Tensor.float32(
  [4, 3],
  Array.from({ length: 12 }, (_, i) => i),
);
const feeds = (...at: number[]): Map<string, Tensor> =>
  new Map([
    ['x', rows],
    ['at', Tensor.int64([2], at)],
  ]);

describe('runs that fill tensors and return none', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 });
  });
  afterAll(() => engine.close());

  test('are what this version of the binding can be brought to', async () => {
    const made = withRefusedOutput(gatherStep(), { state: STATE, fetch: ['sums'] });
    if (!made) throw new Error('no output was added');
    expect(made.model.graph.outputs.map((v) => v.name)).toEqual([made.refused.output, "w'", 'sums']);
    expect(made.refused.filled).toEqual([['sums', { dataType: 'float32', dims: [2] }]]);
    expect(await fillingRun(await loadRuntime(), made.refused)).toBeTypeOf('function');
  });

  test('give each step its own outputs, and the state to the next one', async () => {
    const session = await engine.stepSession(gatherStep(), {
      state: STATE,
      initial: new Map([['w', Tensor.float32([2, 3], new Float32Array(6))]]),
      fetch: ['sums', "w'"],
    });
    const first = await session.step(feeds(0, 1));
    const second = await session.step(feeds(3, 3));
    const typed = (out: Map<string, Tensor>, name: string): unknown => [...(out.get(name)?.typed() ?? [])];
    expect(typed(first, 'sums')).toEqual([3, 12]);
    expect(typed(second, 'sums')).toEqual([33, 42]);
    expect(typed(first, "w'")).toEqual([0, 1, 2, 3, 4, 5]);
    expect(typed(second, "w'")).toEqual([9, 11, 13, 12, 14, 16]);
    expect(typed(await session.readState(), 'w')).toEqual([9, 11, 13, 12, 14, 16]);
    await session.release();
  });

  test('tell of what fails inside them', async () => {
    const session = await engine.stepSession(gatherStep(), {
      state: STATE,
      initial: new Map([['w', Tensor.float32([2, 3], new Float32Array(6))]]),
      fetch: ['sums'],
    });
    await expect(session.step(feeds(0, 9))).rejects.toThrow(/gather|index|indices/i);
    await session.release();
  });

  test('are left alone where an output has no fixed shape, or ONNX no sequences yet', () => {
    const open = stepModel();
    const loss = open.graph.find('loss');
    if (!loss) throw new Error('loss');
    loss.type = tensorType('float32', ['N']);
    expect(withRefusedOutput(open, { state: STEP_STATE, fetch: ['loss'] })).toBeUndefined();
    expect(withRefusedOutput(open, { state: STEP_STATE, fetch: [] })).toBeDefined();
    expect(withRefusedOutput(gatherStep(10), { state: STATE, fetch: ['sums'] })).toBeUndefined();
  });
});
