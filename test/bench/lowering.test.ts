import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseArguments, USAGE, wanted } from '../../bench/lowering/arguments.js';
import { CONSTANTS, probes } from '../../bench/lowering/constants.js';
import { chosen, formsOf, formulation, type Layer, layersOf } from '../../bench/lowering/layers.js';
import { constantsTable, layersTable, type MeasuredLayer, summary } from '../../bench/lowering/report.js';
import { timeInTurn, workModel } from '../../bench/lowering/timing.js';
import { UsageError } from '../../src/base/errors.js';
import { COSTS, FORMS } from '../../src/finetune/lowering/blocked/cost.js';
import { sizeOf, Tensor } from '../../src/onnx/index.js';
import { channelBlock, createEngine, type Engine } from '../../src/runtime/index.js';

describe('the arguments', () => {
  test('default to everything', () => {
    const usual = { only: [], repeat: 15, warmup: 3, threads: 2, format: 'text', help: false };
    expect(parseArguments([])).toEqual(usual);
    expect(USAGE).toContain('15');
  });

  test('are refused in words', () => {
    expect(() => parseArguments(['--repeat', '0'])).toThrow(UsageError);
    expect(() => parseArguments(['--onyl', 'conv'])).toThrow(/onyl/);
  });

  test('choose by parts of names', () => {
    const only = (...given: string[]) => parseArguments(['--only', ...given]);
    expect(wanted(only('Product, resnet20'), ['constants', 'pixelProduct'])).toBe(true);
    expect(wanted(only('Product, resnet20'), ['constants', 'pass'])).toBe(false);
    expect(wanted(only('Product, resnet20'), ['layers', '3×3 16→16', 'resnet20'])).toBe(true);
    expect(wanted(only('constants'), ['constants', 'pass'])).toBe(true);
    expect(wanted(parseArguments([]), ['constants', 'pass'])).toBe(true);
  });
});

test.each([8, 16])('every constant has a graph that measures it, with %i channels to a block', (block) => {
  expect(CONSTANTS.toSorted()).toEqual(Object.keys(COSTS).toSorted());
  const all = probes(block);
  for (const name of CONSTANTS) {
    const { inputs, amount, emit } = all[name];
    expect(amount).toBeGreaterThan(0);
    const data = inputs.map((d) => Tensor.float32(d, new Float32Array(sizeOf(d))));
    expect(workModel(block, data, emit).graph.nodes.length).toBeGreaterThan(0);
  }
});

const axis = { size: 8, out: 8, kernel: 3, stride: 1, dilation: 1, begin: 1, end: 1 };
const single = { ...axis, kernel: 1, begin: 0, end: 0 };
const shape = { images: 2, inputs: 16, outputs: 32, axes: [axis, axis] };
const windowLayer: Layer = { title: '3×3', shape, pointwise: false, block: 16, networks: ['a', 'b'] };
const pointwiseLayer: Layer = {
  title: '1×1',
  shape: { ...shape, axes: [single, single] },
  pointwise: true,
  block: 16,
  networks: ['a'],
};

describe('in the runtime', () => {
  let engine: Engine | undefined;
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 });
  });
  afterAll(() => engine?.close());

  test('every formulation runs', async () => {
    if (!engine) throw new Error('no engine');
    const block = await channelBlock(engine);
    if (block === undefined) return;
    const bench = { engine, block, warmup: 1, repeat: 2 };
    const dims = [
      [2, 16, 8, 8],
      [2, 32, 8, 8],
    ];
    const all = [windowLayer, pointwiseLayer].flatMap((layer) =>
      formsOf(layer).map((form) => formulation(layer, form)),
    );
    const times = await timeInTurn(bench, dims, all);
    expect(times).toHaveLength(1 + FORMS.length);
    for (const ms of times) expect(ms).toBeGreaterThanOrEqual(0);
  });

  test('the dense layers of a network are found, each shape once, channels in whole blocks', async () => {
    if (!engine) throw new Error('no engine');
    const layers = await layersOf(engine, 16, { resnet20: 128 });
    expect(layers.map((l) => l.title)).toEqual([
      '3×3 16→16 at 32×32, 128 images',
      '3×3 /2 16→32 at 16×16, 128 images',
      '3×3 32→32 at 16×16, 128 images',
      '3×3 /2 32→64 at 8×8, 128 images',
      '3×3 64→64 at 8×8, 128 images',
    ]);
    const [, strided] = layers;
    expect(strided.pointwise).toBe(false);
    expect(strided.networks).toEqual(['resnet20']);
    const axis = { size: 32, out: 16, kernel: 3, stride: 2, dilation: 1, begin: 1, end: 1 };
    expect(strided.shape).toEqual({ images: 128, inputs: 16, outputs: 32, axes: [axis, axis] });
  });
});

test('the tables say what is in use, what was found and what is taken', () => {
  const constants = constantsTable([{ name: 'pass', value: 2 * COSTS.pass }], 16);
  expect(constants.rows).toEqual([
    ['pass', 'ns/element', COSTS.pass.toFixed(3), (2 * COSTS.pass).toFixed(3), '2.00'],
  ]);
  const measured: MeasuredLayer[] = [
    { layer: windowLayer, times: [{ form: 'maps', milliseconds: 3 }] },
    {
      layer: pointwiseLayer,
      times: FORMS.map((form) => ({ form, milliseconds: form === 'maps' ? 2 : 4 })),
    },
  ];
  const { rows } = layersTable(measured);
  expect(rows).toHaveLength(1 + FORMS.length);
  expect(rows[0].slice(0, 2)).toEqual(['3×3', 'a b']);
  expect(rows.filter((r) => r[6] === 'yes').map((r) => [r[2], r[3], r[5]])).toEqual([
    ['maps', '3.00', '1.00'],
    [chosen(pointwiseLayer), '4.00', '2.00'],
  ]);
  expect(summary(measured)).toContain('1 of 2 layers');
  expect(summary(measured)).toContain('take 7.0 ms, the fastest 5.0 ms');
});
