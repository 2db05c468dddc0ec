import { describe, expect, test } from 'vitest';
import { Graph, GraphBuilder, Model, Tensor, tensorType, type Value } from '../../../src/onnx/index.js';
import { estimateStepMemory } from '../../../src/runtime/index.js';
import { peakOfRun, runOrder } from '../../../src/runtime/ort/memory-plan.js';

/** Bytes of a float32 [64, 64]. */
const ONE = 4 * 64 * 64;

function graphOf(make: (b: GraphBuilder, x: Value) => readonly Value[]): Graph {
  const graph = new Graph('g');
  const b = new GraphBuilder(graph, 20);
  const x = graph.addInput('x', tensorType('float32', [64, 64]));
  for (const y of make(b, x)) graph.addOutput(y);
  return graph;
}

const peak = (make: (b: GraphBuilder, x: Value) => readonly Value[]): number =>
  peakOfRun(graphOf(make)) / ONE;

describe('peak of a run', () => {
  test('inputs and outputs are of the caller', () => {
    expect(peak((b, x) => [b.op('Mul', [x, x])])).toBe(0);
    expect(peak((b, x) => [b.op('Mul', [b.op('Mul', [x, x]), x])])).toBe(1);
  });

  test('a chain of arithmetic holds two values, whatever its length: a free buffer is taken again', () => {
    const chain = (length: number) => (b: GraphBuilder, x: Value) => {
      let v = x;
      for (let i = 0; i < length; i++) v = b.op('Mul', [v, x]);
      return [v];
    };
    expect(peak(chain(3))).toBe(2);
    expect(peak(chain(20))).toBe(2);
  });

  test('activations overwrite an input that nobody reads any more, and only that', () => {
    const activated = (b: GraphBuilder, x: Value) => {
      const v = b.op('Mul', [x, x]);
      return { v, y: b.op('Relu', [v]) };
    };
    expect(peak((b, x) => [b.op('Mul', [activated(b, x).y, x])])).toBe(1);
    expect(
      peak((b, x) => {
        const { v, y } = activated(b, x);
        return [b.op('Mul', [y, v])];
      }),
    ).toBe(2);
    // A mask has another element size.
    expect(
      peak((b, x) => [b.op('Cast', [b.op('Greater', [b.op('Mul', [x, x]), x])], { to: 1 })]),
    ).toBeCloseTo(1.25);
  });

  test('a reshape costs nothing and keeps its input', () => {
    expect(
      peak((b, x) => {
        const flat = b.op('Reshape', [b.op('Mul', [x, x]), b.i64([64 * 64])]);
        return [b.op('Mul', [flat, flat])];
      }),
    ).toBe(1);
  });

  test('a buffer that waits for a value of its dims is kept until then', () => {
    const smaller = (b: GraphBuilder, v: Value) =>
      b.op('ReduceSum', [v, b.i64([0])], { keepdims: 0 }, { name: 'sum' });
    const wide = (again: readonly number[]) => (b: GraphBuilder, x: Value) => {
      const s = smaller(b, b.op('Mul', [x, x]));
      const big = b.op('Expand', [s, b.i64([256, 64])]);
      const back = b.op('Expand', [smaller(b, big), b.i64(again)]);
      return [b.op('ReduceMax', [back], { keepdims: 0 })];
    };
    // 64 × 64 again: its buffer lies idle while the 256 × 64 is there. 32 × 128, as large, does not fit it.
    expect(peak(wide([64, 64]))).toBeCloseTo(1 + 4 + 1 / 64, 5);
    expect(peak(wide([128, 64]))).toBeCloseTo(4 + 1 / 64, 5);
  });
});

test('nodes run from the last that nobody reads, its last input first', () => {
  const graph = graphOf((b, x) => {
    const [p, q] = ['p', 'q'].map((name) => b.op('Mul', [x, x], {}, { name }));
    const first = b.op('Add', [p, x], {}, { name: 'first' });
    const last = b.op('Add', [p, q], {}, { name: 'last' });
    return [first, last];
  });
  expect(runOrder(graph).map((n) => n.name)).toEqual(['q', 'p', 'last', 'first']);
});

test('a step: state twice where it is not written over, constants once, inputs in flight, and what the runtime holds', () => {
  const graph = graphOf((b, x) => {
    const w = b.graph.addInput('w', tensorType('float32', [1000]));
    const c = b.constant(Tensor.float32([500], new Float32Array(500)), 'c');
    const v = b.graph.addInput('v', tensorType('float32', [200]));
    const [nextW, nextV] = [b.op('Neg', [w]), b.op('Mul', [v, v])];
    return [nextW, nextV, b.op('Mul', [w, w]), b.op('Relu', [c]), b.op('Mul', [b.op('Mul', [x, x]), x])];
  });
  const memory = estimateStepMemory(new Model(graph, 20), [
    { input: 'w', output: graph.outputs[0].name },
    { input: 'v', output: graph.outputs[1].name },
  ]);
  expect(memory.state).toBe(2 * 4000 + 800);
  expect(memory.constants).toBe(2000);
  expect(memory.inputs).toBe(3 * ONE);
  expect(memory.activations).toBe(1.25 * ONE);
  const { total, ...parts } = memory;
  expect(total).toBe(Object.values(parts).reduce((a, v) => a + v, 0));
});
