import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EnvironmentError } from '../../src/base/errors.js';
import { randomFor } from '../../src/base/random.js';
import { Graph, GraphBuilder, Model, sizeOf, Tensor, tensorType } from '../../src/onnx/index.js';
import { requireAdapter } from '../../src/runtime/create.js';
import {
  chooseDevice,
  createEngine,
  type Engine,
  requireBuffers,
  requireRight,
  type Trial,
} from '../../src/runtime/index.js';
import { differenceOf } from '../../src/runtime/self-test/difference.js';
import { distinctNodes } from '../../src/runtime/self-test/distinct-nodes.js';
import { runtimeError } from '../../src/runtime/worker/signature.js';
import { type Change, changedDevice, scaled } from '../support/changed-device.js';

let host: Engine;
beforeAll(async () => {
  host = await createEngine({ threads: 1 });
});
afterAll(() => host.close());

const random = randomFor('device');
const draw = (dims: readonly number[]): Tensor =>
  Tensor.float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => random.normal()),
  );

/** Two equal convolutions, a third that is another one, a ReLU, and a sum that cancels but for rounding. */
function trial(): Trial {
  const graph = new Graph('trial');
  const b = new GraphBuilder(graph, 20);
  const x = graph.addInput('x', tensorType('float32', [2, 4, 6, 6]));
  const conv = (name: string, stride: number) =>
    b.op(
      'Conv',
      [x, b.constant(draw([4, 4, 3, 3]), `${name}.weight`)],
      { pads: [1, 1, 1, 1], strides: [stride, stride], kernel_shape: [3, 3] },
      { name },
    );
  const sum = b.op('Add', [conv('first', 1), conv('second', 1)], {}, { name: 'sum' });
  graph.addOutput(b.op('Relu', [sum], {}, { name: 'relu' }));
  graph.addOutput(conv('strided', 2));
  const mean = b.op('ReduceMean', [x, b.constant(Tensor.int64([2], [2, 3]))], { keepdims: 1 });
  const centred = b.op('Sub', [x, mean], {}, { name: 'centred' });
  graph.addOutput(b.op('ReduceSum', [centred, b.constant(Tensor.int64([2], [2, 3]))], {}, { name: 'zero' }));
  return { model: new Model(graph, 20), feeds: new Map([['x', draw([2, 4, 6, 6])]]) };
}

const device = (change: Change): Engine => changedDevice(() => host, change);
const right = device((_, t) => t);
const choose = (
  choice: 'auto' | 'webgpu' | 'cpu',
  engine: Engine | EnvironmentError,
  milliseconds?: (e: Engine) => Promise<number>,
) =>
  chooseDevice(
    host,
    { device: choice },
    { trial: async () => trial(), ...(milliseconds && { milliseconds }) },
    async ({ device }) => {
      if (engine instanceof Error) throw engine;
      if (device === 'cuda') throw new EnvironmentError({ problem: 'CUDA: no library', hint: 'install it' });
      return engine;
    },
  );

describe('the self-test', () => {
  test('passes a device that rounds otherwise, also where a sum cancels to nothing but rounding', async () => {
    const rounding = device((_, t) => scaled(t, 1 + 2e-6));
    const { engine, reasons } = await choose('webgpu', rounding);
    expect(engine).toBe(rounding);
    expect(reasons.join()).toMatch(/webgpu was asked for; 7 operations agree with the CPU to \d\.\de-\d/);
  });

  test.each([
    ['strided', 1.01, /Conv 'strided' is wrong: \d\.\de-\d+ of its scale off/],
    ['relu', 0.9, /Relu 'relu' is wrong/],
    ['zero', Number.NaN, /ReduceSum 'zero' is wrong: Infinity/],
  ])('names the operation that a device computes wrongly: %s', async (name, factor, message) => {
    const wrong = device((k, t) => (k.startsWith(name) ? scaled(t, factor) : t));
    await expect(choose('webgpu', wrong)).rejects.toThrow(EnvironmentError);
    await expect(choose('webgpu', wrong)).rejects.toThrow(message);
    await expect(choose('webgpu', wrong)).rejects.toThrow(
      /--device webgpu: a device computes wrongly.*--device cpu/s,
    );
  });

  test('names the result that is wrong only where all operations are together', async () => {
    const count = trial().model.graph.nodes.length;
    const fused = device((k, t, nodes) => (nodes === count && k.startsWith('strided') ? scaled(t, 2) : t));
    await expect(choose('webgpu', fused)).rejects.toThrow(/not all together: .* most of it in 'strided'/);
  });

  test('what an engine has passed with is not tried again; what it failed at is', async () => {
    const engine = device((_, t) => t);
    expect(await requireRight(engine, host, trial())).toMatch(/^7 operations agree/);
    expect(await requireRight(engine, host, trial())).toBe('every operation has been tried before');
    const wrong = device((k, t) => (k.startsWith('strided') ? scaled(t, 2) : t));
    for (let i = 0; i < 2; i++) await expect(requireRight(wrong, host, trial())).rejects.toThrow(/'strided'/);
  });

  test('lets CUDA round products as TF32 does, and WebGPU not', async () => {
    const rounding = device((_, t) => scaled(t, 1 + 2 ** -11));
    await expect(requireRight(rounding, host, trial())).rejects.toThrow(/is wrong/);
    expect(await requireRight({ ...rounding, device: 'cuda' }, host, trial())).toMatch(/operations agree/);
    const wrong = device((_, t) => scaled(t, 1.01));
    await expect(requireRight({ ...wrong, device: 'cuda' }, host, trial())).rejects.toThrow(/is wrong/);
  });

  test('a device that fails is not used, and why is said', async () => {
    const failing = device(() => {
      throw new Error('the device was lost');
    });
    await expect(choose('webgpu', failing)).rejects.toThrow(/computes wrongly; found the device was lost/);
  });
});

describe('auto', () => {
  test('takes the first device that passes; where it is slower than the CPU, the CPU', async () => {
    const { engine, reasons } = await choose('auto', right);
    expect(engine).toBe(right);
    expect(reasons[0]).toBe('not cuda: CUDA: no library');
    const slow = await choose('auto', right, async (e) => (e === host ? 10 : 20));
    expect(slow.engine).toBe(host);
    expect(slow.reasons[1]).toBe('not webgpu: slower, 20.0 ms for an image, the CPU 10.0');
    expect((await choose('auto', right, async (e) => (e === host ? 10 : 5))).engine).toBe(right);
    const full = await choose('auto', right, () => {
      throw new EnvironmentError({ problem: 'not enough memory' });
    });
    expect([full.engine, full.reasons[1]]).toEqual([host, 'not webgpu: not enough memory']);
  });

  test('takes the CPU where a device is wrong or missing, and names it', async () => {
    const wrong = await choose(
      'auto',
      device((k, t) => (k.startsWith('strided') ? scaled(t, 2) : t)),
    );
    expect(wrong.engine).toBe(host);
    expect(wrong.reasons[1]).toMatch(/^not webgpu: a device computes wrongly: Conv 'strided' is wrong/);
    const missing = new EnvironmentError({ problem: 'no adapter' });
    const none = await choose('auto', missing);
    expect(none.reasons).toEqual(['not cuda: no adapter', 'not webgpu: no adapter']);
    expect([wrong.tried, none.tried]).toEqual([true, false]);
    await expect(choose('webgpu', missing)).rejects.toThrow('no adapter');
  });

  test('the CPU is taken without a trial where it is asked for', async () => {
    expect(await choose('cpu', right)).toEqual({ engine: host, reasons: [], tried: false });
  });
});

test('a software adapter needs leave', () => {
  const adapter = { name: 'SwiftShader', driver: 'x.so', software: true };
  const probe = { usable: true, adapter, float16: false } as const;
  expect(requireAdapter(probe, true)).toBe(adapter);
  expect(() => requireAdapter(probe, false)).toThrow(
    /is software.*found SwiftShader \(x\.so\).*--allow-software/s,
  );
  expect(requireAdapter({ ...probe, adapter: { ...adapter, software: null } }, false).software).toBeNull();
});

test('a value that is larger than what every adapter has is tried for its size, and named where there is no room', async () => {
  const graph = new Graph('wide');
  graph.addInput('small', tensorType('float32', [2 ** 20]));
  graph.addInput('wide', tensorType('float32', [2 ** 26]));
  const model = new Model(graph, 20);
  const asked: number[] = [];
  const limited: Engine = {
    ...right,
    session: async (m) => {
      const [shape] = m.graph.nodes.map((n) => n.inputs[1]?.initializer?.typed());
      asked.push(Number(shape?.[0]));
      const run = () =>
        Promise.reject(runtimeError('running it', new Error('[Invalid Buffer (unlabeled)] is invalid')));
      return { inputNames: ['x'], outputNames: ['y'], run, release: () => Promise.resolve() };
    },
  };
  await expect(requireBuffers(limited, model)).rejects.toThrow(
    /a device: 'wide' takes 256 MiB, more than the adapter has for one buffer; found \[Invalid Buffer.*smaller --batch/s,
  );
  expect(asked).toEqual([2 ** 26]);
  graph.removeInput(graph.inputs[1]);
  await requireBuffers(limited, model);
  expect(asked).toHaveLength(1);
});

test('operations that differ in the data only are tried once', () => {
  const names = Array.from(distinctNodes(trial().model).values(), (n) => n.name);
  expect(names).toEqual(['first', 'sum', 'relu', 'strided', 'ReduceMean', 'centred', 'zero']);
});

test('how far two tensors are apart', () => {
  const t = (...values: number[]): Tensor => Tensor.float32([values.length], values);
  expect(differenceOf(t(2, -4), t(2, -4))).toBe(0);
  expect(differenceOf(t(2, -4), t(2, -3))).toBe(0.25);
  expect(differenceOf(t(2, -4), t(2, -3), 100)).toBe(0.01);
  expect(differenceOf(t(0, 0), t(0, 0.5))).toBe(0.5);
  expect(differenceOf(t(1, Number.NaN), t(1, Number.NaN))).toBe(0);
  expect(differenceOf(t(1, 2), t(1, Number.NaN))).toBe(Number.POSITIVE_INFINITY);
  expect(differenceOf(t(1, 2), t(1))).toBe(Number.POSITIVE_INFINITY);
});
