import { describe, expect, test } from 'vitest';
import { REFOCUS_DEFAULTS } from '../../src/finetune/options.js';
import { mapRates } from '../../src/finetune/run/map-rates.js';
import { expand, trainables } from '../../src/reparam/index.js';
import { buildModel } from '../../src/zoo/index.js';
import { runUpdates, type State, updateGraph } from '../support/updates.js';

describe('rates of maps', () => {
  const { model, form } = expand(buildModel('mobilenetv2', { size: 32, width: 0.35 }), { method: 'refconv' });
  const trained = new Set(trainables(model).trainable.map((v) => v.name));

  test('one for every map, by the name that training knows', () => {
    const rates = mapRates(form, REFOCUS_DEFAULTS.mapLr, 'sgd');
    expect([...rates.keys()]).toEqual(form.layers.map((l) => l.map.name));
    for (const name of rates.keys()) expect(trained.has(name), name).toBe(true);
    for (const rate of rates.values()) {
      expect(rate).toBeGreaterThan(0);
      expect(rate).toBeLessThanOrEqual(1);
    }
    expect(Math.min(...rates.values())).toBeLessThan(1);
  });

  test('a number is the rate of all', () => {
    expect(new Set(mapRates(form, 0.25, 'sgd').values())).toEqual(new Set([0.25]));
  });
});

test("a factor on a parameter's rate scales its step and neither its gradient, decay nor momentum", () => {
  const run = (factor: number): State[] => {
    const graph = updateGraph(
      { w: { dims: [2, 1], start: [1, 2] } },
      {
        optimizer: { kind: 'sgd', momentum: 0.5, nesterov: false },
        weightDecay: 0.25,
        decayAll: false,
        lrFactors: new Map([['w', factor]]),
      },
    );
    return runUpdates(graph, [0.125, 0.125], () => ({ w: [3, -1] }));
  };
  // v = g + 0.25·p = [3.25, -0.5], then 0.5·v + g + 0.25·p, and every number here is exact in binary.
  for (const factor of [1, 0.5]) {
    const [first, second] = run(factor);
    expect(first.get('w/momentum')).toEqual([3.25, -0.5]);
    const p = [1 - 0.125 * factor * 3.25, 2 + 0.125 * factor * 0.5];
    expect(first.get('w/parameter')).toEqual(p);
    const v = [0.5 * 3.25 + 3 + 0.25 * p[0], -0.25 - 1 + 0.25 * p[1]];
    expect(second.get('w/momentum')).toEqual(v);
    expect(second.get('w/parameter')).toEqual(p.map((x, i) => x - 0.125 * factor * v[i]));
  }
});
