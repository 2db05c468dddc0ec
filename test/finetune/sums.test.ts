import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { sumTo } from '../../src/finetune/autodiff/rules/sums.js';
import { Graph, GraphBuilder, Model, sizeOf, Tensor, tensorType } from '../../src/onnx/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { relativeL2 } from '../support/close.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 2 });
});
afterAll(() => engine.close());

describe('sums of a broadcast gradient, in float32', () => {
  const cases: Record<string, readonly [from: readonly number[], to: readonly number[]]> = {
    'a bias of a channels-last network': [[4, 56, 56, 24], [24]],
    'a bias of many rows': [[12544, 24], [24]],
    'a prime number of rows': [[4099, 24], [24]],
    'few rows': [[2, 5, 24], [24]],
    'a channel of images': [
      [8, 24, 28, 28],
      [24, 1, 1],
    ],
    'one number': [[4, 24, 28, 28], []],
    'a matrix for every sample': [
      [100, 6, 7],
      [6, 7],
    ],
  };
  for (const [name, [from, to]] of Object.entries(cases))
    test(name, async () => {
      const graph = new Graph('sum');
      const x = graph.addInput('x', tensorType('float32', from));
      graph.addOutput(sumTo(new GraphBuilder(graph, 20), x, from, to));
      const random = randomFor('sums', name);
      const data = Float32Array.from({ length: sizeOf(from) }, () => 0.3 + random.normal());
      const session = await engine.session(new Model(graph, 20, 9));
      const [sum] = (await session.run(new Map([['x', Tensor.float32(from, data)]]))).values();
      await session.release();
      expect(sum.dims).toEqual(to);
      const inner = sizeOf(from.slice(from.length - to.length).map((d, i) => (to[i] === 1 ? d : 1)));
      const exact = new Float64Array(sizeOf(to));
      data.forEach((v, i) => {
        exact[Math.floor(i / inner) % exact.length] += v;
      });
      // Row after row would be 1.5e-6 off for 12,544 rows (PyTorch: 4e-8); primes have no groups.
      const limit = name.includes('prime') ? 1.5e-6 : 2.5e-7;
      expect(relativeL2(Array.from<number | bigint, number>(sum.typed(), Number), exact)).toBeLessThan(limit);
    });
});
