import { afterAll, beforeAll, expect, test } from 'vitest';
import { Graph, GraphBuilder, Model, Tensor, tensorType } from '../../../src/onnx/index.js';
import { createEngine, type Engine } from '../../../src/runtime/index.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

// From Node 24 on JavaScript has a Float16Array, which the runtime's native side reads as empty.
test('float16 goes in and out, whatever arrays this Node has', async () => {
  const graph = new Graph('half');
  const x = graph.addInput('x', tensorType('float16', [4]));
  graph.addOutput(new GraphBuilder(graph, 17).op('Add', [x, x], {}, { outputs: ['y'] }));
  const session = await engine.session(new Model(graph, 17, 8));
  // 1, -2, 0.5 and the least subnormal; doubled.
  const halves = Uint16Array.of(0x3c00, 0xc000, 0x3800, 0x0001);
  const out = await session.run(new Map([['x', Tensor.raw('float16', [4], new Uint8Array(halves.buffer))]]));
  expect(out.get('y')?.dataType).toBe('float16');
  expect(out.get('y')?.typed()).toEqual(Uint16Array.of(0x4000, 0xc400, 0x3c00, 0x0002));
});
