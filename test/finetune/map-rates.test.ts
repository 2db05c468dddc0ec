import { describe, expect, test } from 'vitest';
import { REFOCUS_DEFAULTS } from '../../src/finetune/options.js';
import { mapRates } from '../../src/finetune/run/map-rates.js';
import { flattenParameter, updateParameter } from '../../src/finetune/step/parameters.js';
import { Graph, GraphBuilder, Model, Tensor, tensorType } from '../../src/onnx/index.js';
import { expand, trainables } from '../../src/reparam/index.js';
import { evaluate, realTensor, toNumbers } from '../../src/runtime/reference/index.js';
import { buildModel } from '../../src/zoo/index.js';
import { expectClose } from '../support/close.js';

describe('rates of maps', () => {
  const { model, form } = expand(buildModel('mobilenetv2', { size: 32, width: 0.35 }), { method: 'refconv' });
  const trained = new Set(trainables(model).trainable.map((v) => v.name));

  test('one for every map, by the name that training knows', () => {
    const rates = mapRates(form, REFOCUS_DEFAULTS.mapLr);
    expect([...rates.keys()]).toEqual(form.layers.map((l) => l.map.name));
    for (const name of rates.keys()) expect(trained.has(name), name).toBe(true);
    for (const rate of rates.values()) {
      expect(rate).toBeGreaterThan(0);
      expect(rate).toBeLessThanOrEqual(1);
    }
    expect(Math.min(...rates.values())).toBeLessThan(1);
  });

  test('a number is the rate of all', () => {
    expect(new Set(mapRates(form, 0.25).values())).toEqual(new Set([0.25]));
  });
});

test("a factor on a parameter's rate scales its step and neither its gradient, decay nor momentum", () => {
  const run = (factor: number): { parameter: number[]; momentum: number[] } => {
    const graph = new Graph('update');
    const b = new GraphBuilder(graph, 20);
    const value = graph.addInput('w', tensorType('float32', [2, 1]));
    const gradient = graph.addInput('g', tensorType('float32', [2, 1]));
    const lr = graph.addInput('lr', tensorType('float32', []));
    const flat = flattenParameter(b, { value, initial: Tensor.float32([2, 1], [1, 2]) });
    const updates = updateParameter(b, flat, gradient, lr, {
      momentum: 0.5,
      nesterov: false,
      weightDecay: 0.25,
      decayAll: false,
      lrFactors: new Map([['w', factor]]),
    });
    for (const u of updates) graph.addOutput(u.next);
    const feeds = new Map([
      ['g', realTensor([2, 1], [3, -1])],
      ['lr', realTensor([], [0.125])],
      [updates[0].input, realTensor([2], [1, 2])],
      [updates[1].input, realTensor([2], [4, 8])],
    ]);
    const [parameter, momentum] = [...evaluate(new Model(graph, 20, 9), feeds).values()];
    return { parameter: Array.from(toNumbers(parameter)), momentum: Array.from(toNumbers(momentum)) };
  };
  // v = 0.5·[4, 8] + g + 0.25·p = [5.25, 3.5], and every number here is exact in binary.
  for (const factor of [1, 0.5]) {
    const { parameter, momentum } = run(factor);
    expectClose(momentum, [5.25, 3.5], { absolute: 0 });
    expectClose(parameter, [1 - 0.125 * factor * 5.25, 2 - 0.125 * factor * 3.5], { absolute: 0 });
  }
});
