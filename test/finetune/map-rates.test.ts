import { describe, expect, test } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { REFOCUS_DEFAULTS } from '../../src/finetune/options.js';
import { mapRates } from '../../src/finetune/run/map-rates.js';
import { sizeOf } from '../../src/onnx/index.js';
import {
  constantOf,
  expand,
  refConvDelta,
  refConvShape,
  toFloat64,
  trainables,
} from '../../src/reparam/index.js';
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

  test('with adam a step of full size moves no kernel farther than in plain training', () => {
    const rates = mapRates(form, 'auto', 'adam');
    const random = randomFor('map rates');
    let least = Number.POSITIVE_INFINITY;
    for (const layer of form.layers) {
      const rate = rates.get(layer.map.name) ?? Number.NaN;
      const base = constantOf(layer.base);
      if (!base) throw new Error(layer.layer);
      const shape = refConvShape(base.dims, layer.groups, layer.mapKernel);
      const area = sizeOf(shape.kernel);
      // Adam moves each entry by the rate; here all of a map's entries of one kernel point where they add up.
      for (const sign of [(): number => 1, (): number => (random.normal() > 0 ? 1 : -1)]) {
        const step = Float64Array.from({ length: sizeOf(shape.mapDims) }, () => rate * sign());
        const delta = refConvDelta(toFloat64(base), step, shape);
        for (let at = 0; at < delta.length; at += area) {
          const norm = Math.hypot(...delta.subarray(at, at + area));
          expect(norm).toBeLessThanOrEqual(Math.sqrt(area) * (1 + 1e-9));
          least = Math.min(least, Math.sqrt(area) / norm);
        }
      }
    }
    // Not by being needlessly small: somewhere a step is a fair part of what is allowed.
    expect(least).toBeLessThan(10);
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
