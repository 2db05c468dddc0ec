import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { randomFor } from '../../../src/base/random.js';
import { sizeOf } from '../../../src/onnx/index.js';
import {
  type GramPoint,
  gramMatrices,
  gramOfMap,
  gramTransform,
  mapGradient,
  mapOfGram,
} from '../../../src/reparam/algebra/gram.js';
import { mapGain } from '../../../src/reparam/algebra/map-gain.js';
import {
  type RefConvShape,
  refConvDelta,
  refConvShape,
  refConvTransform,
} from '../../../src/reparam/algebra/refconv.js';
import { type ArrayData, readSafetensors } from '../../support/arrays.js';
import { expectClose, relativeL2 } from '../../support/close.js';
import { golden, goldenTest } from '../../support/goldens.js';

interface Case {
  readonly dims: readonly number[];
  readonly groups: number;
  readonly map: readonly number[];
}

const cases: Record<string, Case> = {
  depthwise: { dims: [8, 1, 3, 3], groups: 8, map: [3, 3] },
  'depthwise, depth multiplier 2': { dims: [8, 1, 3, 3], groups: 4, map: [3, 3] },
  grouped: { dims: [6, 4, 3, 3], groups: 3, map: [3, 3] },
  'dense, map kernel 5': { dims: [4, 3, 3, 3], groups: 1, map: [5, 5] },
  'depthwise 5×5, map kernel 3': { dims: [6, 1, 5, 5], groups: 6, map: [3, 3] },
  'map kernel 1: K is singular': { dims: [4, 1, 3, 3], groups: 4, map: [1, 1] },
  'non-square': { dims: [4, 2, 3, 5], groups: 2, map: [5, 3] },
  'one axis': { dims: [6, 1, 5], groups: 6, map: [3] },
};

function drawn(name: string, c: Case): { shape: RefConvShape; base: Float64Array; r0: Float64Array } {
  const random = randomFor('gram', name);
  const normals = (size: number, scale: number): Float64Array =>
    Float64Array.from({ length: size }, () => random.normal() * scale);
  const shape = refConvShape(c.dims, c.groups, c.map);
  return { shape, base: normals(sizeOf(c.dims), 0.3), r0: normals(sizeOf(shape.mapDims), 0.05) };
}

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, v, i) => sum + v * b[i], 0);

for (const [name, c] of Object.entries(cases))
  describe(name, () => {
    const { shape, base, r0 } = drawn(name, c);
    const random = randomFor('gram point', name);
    const normals = (size: number): Float64Array =>
      Float64Array.from({ length: size }, () => random.normal());
    const point: GramPoint = { alpha: 0.75, z: normals(base.length) };
    const k = gramMatrices(base, shape);
    const p0 = refConvDelta(base, r0, shape);

    test('the gradient of the map is the adjoint of the transform', () => {
      const [d, r] = [normals(base.length), normals(r0.length)];
      const forward = dot(refConvDelta(base, r, shape), d);
      expect(dot(r, mapGradient(base, d, shape))).toBeCloseTo(forward, 11);
    });

    test('W_t of (α, Z) is that of the map they stand for', () => {
      const explicit = refConvTransform(base, mapOfGram(base, r0, point, shape), shape);
      expectClose(gramTransform(base, p0, point, k, shape), explicit, { absolute: 1e-12, relative: 1e-12 });
    });

    test('the squared norm of the gradient of the map is tr(D·K·Dᵀ)', () => {
      const d = normals(base.length);
      const gradient = mapGradient(base, d, shape);
      const dk = gramTransform(new Float64Array(base.length), p0, { alpha: 0, z: d }, k, shape);
      expect(dot(dk, d) / dot(gradient, gradient)).toBeCloseTo(1, 12);
    });

    test('a map of the form gives α and a Z back that mean the same', () => {
      const map = mapOfGram(base, r0, point, shape);
      const found = gramOfMap(base, r0, map, shape);
      expect(found.residual).toBeLessThan(1e-12);
      expect(relativeL2(mapOfGram(base, r0, found, shape), map)).toBeLessThan(1e-12);
      expect(
        relativeL2(gramTransform(base, p0, found, k, shape), gramTransform(base, p0, point, k, shape)),
      ).toBeLessThan(1e-11);
    });

    test('without R₀, and for a map of 0', () => {
      const none = new Float64Array(r0.length);
      const map = mapOfGram(base, none, point, shape);
      const found = gramOfMap(base, none, map, shape);
      expect(found.alpha).toBe(1);
      expect(found.residual).toBeLessThan(1e-12);
      expect(relativeL2(mapOfGram(base, none, found, shape), map)).toBeLessThan(1e-12);
      expect(gramOfMap(base, none, none, shape)).toMatchObject({
        residual: 0,
        z: new Float64Array(base.length),
      });
    });

    // Z has as many values per kernel as the kernel; a smaller map has no other form.
    if (shape.channels * sizeOf(shape.mapKernel) > sizeOf(shape.kernel))
      test('a map of another form is told by its residual', () => {
        expect(gramOfMap(base, r0, normals(r0.length), shape).residual).toBeGreaterThan(0.1);
      });
  });

interface Optimizer {
  readonly momentum: number;
  readonly nesterov?: boolean;
  readonly dampening?: number;
  readonly decay?: number;
  /** Bound on the norm of the gradient. */
  readonly clip?: number;
}

/** torch.optim.SGD on one vector, with clipping by a norm that is given beside the gradient. */
class Sgd {
  #buffer: Float64Array | undefined;
  constructor(
    readonly options: Optimizer,
    readonly lr: number,
  ) {}

  step(parameter: Float64Array, gradient: Float64Array, norm: number): Float64Array {
    const { momentum, nesterov, dampening = 0, decay = 0, clip } = this.options;
    const scale = clip === undefined ? 1 : Math.min(1, clip / (norm + 1e-6));
    const g = gradient.map((v, i) => scale * v + decay * parameter[i]);
    const before = this.#buffer;
    const buffer = before ? before.map((v, i) => momentum * v + (1 - dampening) * g[i]) : g;
    this.#buffer = buffer;
    return parameter.map((p, i) => p - this.lr * (nesterov ? g[i] + momentum * buffer[i] : buffer[i]));
  }
}

const optimizers: Record<string, Optimizer> = {
  plain: { momentum: 0 },
  momentum: { momentum: 0.9 },
  'weight decay': { momentum: 0.9, decay: 0.01 },
  Nesterov: { momentum: 0.9, nesterov: true, decay: 0.01 },
  dampening: { momentum: 0.9, dampening: 0.1, decay: 0.01 },
  'clipping by norm': { momentum: 0.9, decay: 0.01, clip: 0.4 },
};

describe('100 steps of (α, Z) are 100 steps of the map', () => {
  for (const [name, c] of Object.entries(cases))
    for (const [how, options] of Object.entries(optimizers))
      test(`${name}, ${how}`, () => {
        const { shape, base, r0 } = drawn(name, c);
        const k = gramMatrices(base, shape);
        const p0 = refConvDelta(base, r0, shape);
        const random = randomFor('target', name);
        const target = base.map((w) => w + 0.3 * random.normal());
        // A loss whose gradient is no linear function of W_t: D = e + e³.
        const gradientAt = (w: Float64Array): Float64Array =>
          w.map((v, i) => v - target[i] + (v - target[i]) ** 3);
        const lr = (1 - (options.momentum ?? 0)) / Math.max(1, mapGain(base, shape));
        const [mapStep, zStep, alphaStep] = [
          new Sgd(options, lr),
          new Sgd(options, lr),
          new Sgd(options, lr),
        ];
        let map: Float64Array = r0;
        let point: GramPoint = { alpha: 1, z: new Float64Array(base.length) };
        let [emaMap, ema] = [map, point];
        let clipped = 0;
        for (let t = 0; t < 100; t++) {
          const gradient = mapGradient(base, gradientAt(refConvTransform(base, map, shape)), shape);
          const norm = Math.hypot(...gradient);
          if (norm > (options.clip ?? Number.POSITIVE_INFINITY)) clipped++;
          map = mapStep.step(map, gradient, norm);
          const d = gradientAt(gramTransform(base, p0, point, k, shape));
          const dk = gramTransform(new Float64Array(base.length), p0, { alpha: 0, z: d }, k, shape);
          const gramNorm = Math.sqrt(dot(dk, d));
          point = {
            alpha: alphaStep.step(Float64Array.of(point.alpha), Float64Array.of(0), gramNorm)[0],
            z: zStep.step(point.z, d, gramNorm),
          };
          emaMap = emaMap.map((v, i) => 0.9 * v + 0.1 * map[i]);
          ema = {
            alpha: 0.9 * ema.alpha + 0.1 * point.alpha,
            z: ema.z.map((v, i) => 0.9 * v + 0.1 * point.z[i]),
          };
        }
        if (options.clip !== undefined) expect(clipped).toBeGreaterThan(0);
        const scale = { absolute: 1e-12, relative: 1e-12 };
        const trained = refConvTransform(base, map, shape);
        expect(relativeL2(trained, base), 'it moved').toBeGreaterThan(0.01);
        expectClose(gramTransform(base, p0, point, k, shape), trained, scale, 'W_t');
        expectClose(mapOfGram(base, r0, point, shape), map, scale, 'W_r');
        expectClose(mapOfGram(base, r0, ema, shape), emaMap, scale, 'EMA of W_r');
      });
});

goldenTest('the published layers: W_t of (α, Z) is that of the map, for all 19', () => {
  const files = readdirSync(golden('refconv', 'layers', '')).filter((f) => f.endsWith('.safetensors'));
  expect(files).toHaveLength(19);
  for (const file of files) {
    const arrays = readSafetensors(golden('refconv', 'layers', file));
    const numbers = (name: string): { dims: readonly number[]; data: Float64Array } => {
      const array: ArrayData | undefined = arrays.get(name);
      if (!array) throw new Error(`${file} has no ${name}`);
      return { dims: array.dims, data: Float64Array.from(array.data, Number) };
    };
    const [base, r0] = [numbers('w_b'), numbers('w_r')];
    const shape = refConvShape(base.dims, r0.dims[1], r0.dims.slice(2));
    expect(shape.mapDims).toEqual(r0.dims);
    const p0 = refConvDelta(base.data, r0.data, shape);
    const k = gramMatrices(base.data, shape);
    const start: GramPoint = { alpha: 1, z: new Float64Array(base.data.length) };
    expectClose(
      gramTransform(base.data, p0, start, k, shape),
      numbers('w_t64').data,
      { absolute: 1e-12 },
      file,
    );
    const random = randomFor('gram golden', file);
    const moved: GramPoint = { alpha: 0.9, z: base.data.map(() => 0.1 * random.normal()) };
    const explicit = refConvTransform(base.data, mapOfGram(base.data, r0.data, moved, shape), shape);
    const limit = { absolute: 1e-12 * explicit.reduce((m, v) => Math.max(m, Math.abs(v)), 1) };
    expectClose(gramTransform(base.data, p0, moved, k, shape), explicit, limit, file);
  }
});
