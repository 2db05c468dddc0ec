import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { randomFor } from '../../../src/base/random.js';
import { refConvShape, refConvTransform, xavierBound } from '../../../src/reparam/algebra/refconv.js';
import { readSafetensors } from '../../support/arrays.js';
import { expectClose } from '../../support/close.js';
import { golden, goldenTest } from '../../support/goldens.js';

interface LayerInfo {
  readonly name: string;
  readonly groups: number;
  readonly map_kernel: number;
  readonly n: number;
  readonly G: number;
  readonly w_r_shape: readonly number[];
}

goldenTest('the transform of all 19 layers is the reference', () => {
  const info: { layers: LayerInfo[] } = JSON.parse(
    readFileSync(golden('refconv', 'layers', 'layers.json'), 'utf8'),
  );
  expect(info.layers).toHaveLength(19);
  for (const layer of info.layers) {
    const file = readSafetensors(golden('refconv', 'layers', `${layer.name}.safetensors`));
    const get = (name: string) => {
      const array = file.get(name);
      if (!array) throw new Error(`${layer.name} has no ${name}`);
      return { dims: array.dims, data: Float64Array.from(array.data, Number) };
    };
    const base = get('w_b');
    const shape = refConvShape(base.dims, layer.groups, [layer.map_kernel, layer.map_kernel]);
    expect(shape.n, layer.name).toBe(layer.n);
    expect(shape.groups, layer.name).toBe(layer.G);
    expect(shape.mapDims, layer.name).toEqual(layer.w_r_shape);
    const transformed = refConvTransform(base.data, get('w_r').data, shape);
    expectClose(transformed, get('w_t64').data, { absolute: 1e-12 }, layer.name);
  }
});

/** The definition, with an explicit padded copy and no shortcuts. */
function byDefinition(base: Float64Array, map: Float64Array, dims: number[], groups: number, m: number[]) {
  const [kh, kw] = [dims[2], dims[3]];
  const [mh, mw] = m;
  const [ph, pw] = [Math.floor(mh / 2), Math.floor(mw / 2)];
  const [H, W] = [kh + 2 * ph, kw + 2 * pw];
  const n = dims[0] * dims[1];
  const padded = new Float64Array(n * H * W);
  for (let i = 0; i < n; i++)
    for (let y = 0; y < kh; y++)
      for (let x = 0; x < kw; x++) padded[(i * H + y + ph) * W + x + pw] = base[(i * kh + y) * kw + x];
  return base.map((w, at) => {
    const o = Math.floor(at / (kh * kw));
    const y = Math.floor(at / kw) % kh;
    const x = at % kw;
    let sum = w;
    for (let j = 0; j < groups; j++)
      for (let u = 0; u < mh; u++)
        for (let v = 0; v < mw; v++)
          sum +=
            padded[((Math.floor(o / groups) * groups + j) * H + y + u) * W + x + v] *
            map[((o * groups + j) * mh + u) * mw + v];
    return sum;
  });
}

describe('against the definition', () => {
  const cases: [number[], number, number[]][] = [
    [[4, 3, 3, 5], 1, [3, 3]],
    [[4, 3, 3, 5], 1, [5, 9]],
    [[6, 2, 5, 1], 3, [3, 1]],
    [[6, 1, 2, 2], 6, [3, 3]],
    [[8, 1, 3, 3], 4, [1, 1]],
  ];
  for (const [dims, groups, m] of cases)
    test(`[${dims}] in ${groups} groups, map ${m}`, () => {
      const random = randomFor(1, 'refconv-test', ...dims, groups, ...m);
      const shape = refConvShape(dims, groups, m);
      const base = Float64Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.normal());
      const map = Float64Array.from({ length: shape.mapDims.reduce((a, b) => a * b, 1) }, () =>
        random.normal(),
      );
      expectClose(
        refConvTransform(base, map, shape),
        byDefinition(base, map, [...dims], groups, [...m]),
        { absolute: 1e-12 },
        'W_t',
      );
    });

  test('one spatial axis is one row of two', () => {
    const random = randomFor(2, 'refconv-test');
    const base = Float64Array.from({ length: 4 * 2 * 5 }, () => random.normal());
    const flat = refConvShape([4, 2, 5], 2, [3]);
    const map = Float64Array.from({ length: flat.mapDims.reduce((a, b) => a * b, 1) }, () => random.normal());
    const row = refConvShape([4, 2, 1, 5], 2, [1, 3]);
    expect(refConvTransform(base, map, flat)).toEqual(refConvTransform(base, map, row));
  });

  test('a zero map gives the base, bit for bit', () => {
    const base = Float64Array.of(0.1, -0, 3e-40, -7);
    const shape = refConvShape([1, 1, 2, 2], 1, [3, 3]);
    const result = refConvTransform(base, new Float64Array(9), shape);
    expect(new Uint8Array(result.buffer)).toEqual(new Uint8Array(base.buffer));
  });
});

test('the Xavier bound is that of torch.nn.init.xavier_uniform_', () => {
  // [6, 6, 3, 3]: fan_in = 6·9, fan_out = 6·9
  expect(xavierBound(refConvShape([6, 1, 3, 3], 6, [3, 3]))).toBeCloseTo(Math.sqrt(6 / 108), 15);
  // [24, 1, 5, 5]: fan_in = 25, fan_out = 600
  expect(xavierBound(refConvShape([6, 4, 3, 3], 1, [5, 5]))).toBeCloseTo(Math.sqrt(6 / 625), 15);
});

test('output channels that do not divide into the groups are refused', () => {
  expect(() => refConvShape([5, 1, 3, 3], 2, [3, 3])).toThrow('5 output channels in 2 groups');
});
