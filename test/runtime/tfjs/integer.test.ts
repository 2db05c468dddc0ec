import { beforeAll, expect, test } from 'vitest';
import { randomBits } from '../../../src/finetune/step/random-bits.js';
import { Graph, GraphBuilder, Model, Tensor, tensorType } from '../../../src/onnx/index.js';
import { evaluate } from '../../../src/runtime/reference/index.js';
import { loadTfjs } from '../../../src/runtime/tfjs/load.js';
import type { Tf } from '../../../src/runtime/tfjs/tf.js';
import { computed, expectOp } from './support.js';

let tf: Tf;
beforeAll(async () => {
  tf = await loadTfjs();
}, 60_000);

const EDGES = [
  0,
  1,
  -1,
  2,
  -7,
  65535,
  65536,
  -65536,
  46341,
  2 ** 31 - 1,
  -(2 ** 31),
  0x7f4a7c15,
  -0x61c88647,
];
const pairs = EDGES.flatMap((a) => EDGES.map((b) => [a, b] as const));

test.each(['Add', 'Sub', 'Mul'])('int32 %s wraps to the bit', (op) => {
  const [a, b] = [0, 1].map((i) =>
    Tensor.int32(
      [pairs.length],
      pairs.map((p) => p[i]),
    ),
  );
  expectOp(tf, { op, opset: 20, inputs: [a, b] });
});

test('int32 Div cuts towards zero', () => {
  const divisible = pairs.filter(([a, b]) => b !== 0 && !(a === -(2 ** 31) && b === -1));
  const [a, b] = [0, 1].map((i) =>
    Tensor.int32(
      [divisible.length],
      divisible.map((p) => p[i]),
    ),
  );
  expectOp(tf, { op: 'Div', opset: 20, inputs: [a, b] });
});

test('the random bits of dropout are those of every other engine', () => {
  const model = (): Model => {
    const graph = new Graph('bits');
    const b = new GraphBuilder(graph, 20);
    const seed = graph.addInput('seed', tensorType('int32', []));
    for (const bits of randomBits(b, seed, [[16, 33], [4, 2, 3, 5], []])) graph.addOutput(bits);
    return new Model(graph, 20, 9);
  };
  for (const seed of [0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 123456789]) {
    const feeds = new Map([['seed', Tensor.int32([], [seed])]]);
    const exact = evaluate(
      model(),
      new Map([['seed', { dataType: 'int32' as const, dims: [], data: Float64Array.of(seed) }]]),
    );
    const got = computed(tf, model(), feeds);
    expect(got.size).toBe(3);
    for (const [name, t] of got)
      expect(Array.from(t.typed(), Number)).toEqual(
        Array.from<number | bigint, number>(exact.get(name)?.data ?? [], Number),
      );
  }
});
