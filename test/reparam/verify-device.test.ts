import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EnvironmentError } from '../../src/base/errors.js';
import { type Model, Tensor } from '../../src/onnx/index.js';
import { deviceToVerifyOn, expand, fuse, verify } from '../../src/reparam/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { buildModel } from '../../src/zoo/index.js';
import { type Change, changedDevice, scaled } from '../support/changed-device.js';

let host: Engine;
beforeAll(async () => {
  host = await createEngine({ threads: 1 });
});
afterAll(() => host.close());

const base = buildModel('resnet20', { width: 0.25, seed: 1 });
const training = expand(base, { init: 'xavier' }).model;
const fused = fuse(training).model;

const choose = (
  change: Change,
  options: Parameters<typeof deviceToVerifyOn>[3] = {},
  models: readonly [Model, Model] = [training, fused],
) => {
  const closed: string[] = [];
  const engine: Engine = {
    ...changedDevice(() => host, change),
    close: async () => {
      closed.push('closed');
    },
  };
  const chosen = deviceToVerifyOn(host, models, { device: 'webgpu' }, options, async () => engine);
  return { engine, chosen, closed };
};

describe('the device that models are compared on', () => {
  test('is tried with the models first', async () => {
    let whole = 0;
    const { engine, chosen, closed } = choose((name, t) => {
      if (name === 'logits') whole++;
      return t;
    });
    const { engine: taken, reasons } = await chosen;
    expect(taken).toBe(engine);
    expect(reasons[0]).toMatch(/^webgpu was asked for; \d+ operations agree with the CPU/);
    // The second has no operation that the first has not.
    expect(whole).toBe(1);
    expect(closed).toEqual([]);
  });

  test('would find two models equivalent that it computes wrongly, so it is refused and closed', async () => {
    const zeros: Change = (_, t) => scaled(t, 0);
    const { engine, chosen, closed } = choose(zeros);
    const report = await verify(training, fuse(expand(base, { init: 'zero' }).model).model, engine);
    expect(report.outputs.every((o) => o.maxRelative === 0)).toBe(true);
    await expect(chosen).rejects.toThrow(EnvironmentError);
    await expect(chosen).rejects.toThrow(/--device webgpu: a device computes wrongly; found .* is wrong/);
    expect(closed).toEqual(['closed']);
  });

  test('is also tried with what only the second model has', async () => {
    const other = buildModel('mobilenetv2', { width: 0.25, size: 32, classes: 10, stem: 'cifar', seed: 1 });
    const wrong: Change = (name, t) => (name.startsWith('features') ? scaled(t, 2) : t);
    const { chosen, closed } = choose(wrong, {}, [fused, other]);
    await expect(chosen).rejects.toThrow(/'features\..*' is wrong/);
    expect(closed).toEqual(['closed']);
    expect((await choose(wrong, {}, [fused, fused]).chosen).tried).toBe(true);
  });

  test('is tried on real inputs where there are some', async () => {
    const seen = new Set<number>();
    const image = Tensor.float32([3, 3, 32, 32], new Float32Array(3 * 3 * 32 * 32).fill(0.5));
    const { chosen } = choose(
      (name, t) => {
        if (name === 'logits') seen.add(t.dims[0]);
        return t;
      },
      { batches: [new Map([['input', image]])] },
    );
    await chosen;
    expect([...seen]).toEqual([3]);
  });

  test('is the CPU where it is asked for, and then nothing is tried', async () => {
    const chosen = await deviceToVerifyOn(host, [training, fused], { device: 'cpu' });
    expect(chosen).toEqual({ engine: host, reasons: [], tried: false });
  });
});
