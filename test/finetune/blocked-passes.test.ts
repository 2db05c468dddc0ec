import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { NCHWC_DOMAIN } from '../../src/finetune/lowering/blocked/block.js';
import { blockedLowering } from '../../src/finetune/lowering/blocked/index.js';
import { Nchwc } from '../../src/finetune/lowering/blocked/nchwc.js';
import { permuteRows } from '../../src/finetune/lowering/blocked/rows.js';
import { Graph, GraphBuilder, Model, sizeOf, Tensor, tensorType, type Value } from '../../src/onnx/index.js';
import { channelBlock, createEngine, type Engine } from '../../src/runtime/index.js';
import { evaluate, realTensor, toNumbers } from '../../src/runtime/reference/index.js';

let engine: Engine;
let block: number | undefined;
beforeAll(async () => {
  engine = await createEngine({ threads: 2 });
  block = await channelBlock(engine);
});
afterAll(() => engine.close());

function normals(name: string, size: number): Float32Array {
  const random = randomFor('blocked passes', name);
  return Float32Array.from({ length: size }, () => random.normal());
}

describe('sum + factor·v', () => {
  /** −sum, made in the graph, plus 0.1·v. */
  function built(size: number, of: number): { graph: Graph; b: GraphBuilder; y: Value | undefined } {
    const graph = new Graph('sum');
    const b = new GraphBuilder(graph, 20);
    const [sum, v] = ['sum', 'v'].map((name) => graph.addInput(name, tensorType('float32', [size])));
    const y = blockedLowering(of).addScaled?.(b, b.op('Neg', [sum]), v, 0.1);
    return { graph, b, y };
  }

  test('is what two operators make of it, to a rounding', async ({ skip }) => {
    if (block === undefined) return skip('no blocked kernels');
    const size = 147_456;
    const { graph, y } = built(size, block);
    if (!y) throw new Error('no pass');
    graph.addOutput(y);
    const model = new Model(graph, 20, 9);
    model.opsets.set(NCHWC_DOMAIN, 1);
    const [sum, v] = [normals('sum', size), normals('v', size)];
    const session = await engine.session(model);
    const out = await session.run(
      new Map([
        ['sum', Tensor.float32([size], sum)],
        ['v', Tensor.float32([size], v)],
      ]),
    );
    await session.release();
    const got = out.get(y.name)?.typed() ?? [];
    expect(got.length).toBe(size);
    const factor = Math.fround(0.1);
    for (let i = 0; i < size; i++) {
      // The product may be rounded before it is added: half a unit in the last place of each.
      const bound = 2 ** -24 * (Math.abs(factor * v[i]) + Math.abs(factor * v[i] - sum[i]));
      expect(Math.abs(Number(got[i]) - (factor * v[i] - sum[i])), `element ${i}`).toBeLessThanOrEqual(bound);
    }
  });

  test.each([
    [1000, 'short'],
    [147_456 + 16, 'no whole rows'],
  ])('%i elements: two operators (%s)', (size) => {
    const { graph, y } = built(size, 16);
    expect(y).toBeUndefined();
    expect(graph.nodes.map((n) => n.opType)).toEqual(['Neg']);
  });

  test('a sum that others read is not written over', () => {
    const graph = new Graph('sum');
    const b = new GraphBuilder(graph, 20);
    const v = graph.addInput('v', tensorType('float32', [147_456]));
    const sum = b.op('Neg', [v]);
    b.op('Abs', [sum]);
    expect(blockedLowering(16).addScaled?.(b, sum, v, 1)).toBeUndefined();
  });
});

test.each([
  [[3, 2, 4], [0, 2, 1], 8],
  [[2, 3, 1, 2, 16], [0, 2, 4, 1, 3], 16],
  [[5], [0], 4],
])('rows of %o in the order %o, %i elements each, are what a Transpose makes of them', (dims, perm, size) => {
  const graph = new Graph('rows');
  const b = new GraphBuilder(graph, 20);
  const x = graph.addInput('x', tensorType('float32', [...dims, size]));
  graph.addOutput(permuteRows(new Nchwc(b, size), x, dims, perm));
  graph.addOutput(b.op('Transpose', [x], { perm: [...perm, dims.length] }));
  const data = Array.from(normals('rows', sizeOf(dims) * size));
  const [rows, transposed] = evaluate(
    new Model(graph, 20, 9),
    new Map([['x', realTensor([...dims, size], data)]]),
  ).values();
  expect(rows.dims).toEqual([sizeOf(dims), size]);
  expect(toNumbers(rows)).toEqual(toNumbers(transposed));
});
