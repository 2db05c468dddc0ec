import { describe, expect, test } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { differentiate } from '../../src/finetune/autodiff/differentiate.js';
import { emitInternal, typeLike } from '../../src/finetune/autodiff/internal.js';
import { lower } from '../../src/finetune/lowering/lower.js';
import { portable } from '../../src/finetune/lowering/portable/index.js';
import { Graph, GraphBuilder, Model, sizeOf, tensorType, type Value } from '../../src/onnx/index.js';
import { gramMatrices, gramTransform, mapGradient } from '../../src/reparam/algebra/gram.js';
import {
  type RefConvShape,
  refConvDelta,
  refConvShape,
  refConvTransform,
} from '../../src/reparam/algebra/refconv.js';
import { evaluate, realTensor, toNumbers } from '../../src/runtime/reference/index.js';
import { expectClose } from '../support/close.js';
import { checkGradients } from '../support/gradcheck.js';

interface Case {
  readonly dims: readonly number[];
  readonly groups: number;
  readonly map: readonly number[];
}

const cases: Record<string, Case> = {
  dense: { dims: [3, 2, 3, 3], groups: 1, map: [3, 3] },
  'dense, map kernel 5': { dims: [2, 3, 3, 3], groups: 1, map: [5, 5] },
  depthwise: { dims: [4, 1, 3, 3], groups: 4, map: [3, 3] },
  'depth multiplier 2': { dims: [6, 1, 3, 3], groups: 3, map: [3, 3] },
  'grouped, non-square': { dims: [4, 3, 3, 5], groups: 2, map: [3, 5] },
  'one axis': { dims: [4, 2, 5], groups: 4, map: [3] },
};

function drawn(name: string, c: Case): { shape: RefConvShape; base: Float64Array; normals: Draw } {
  const random = randomFor('refocus kernel', name);
  const normals: Draw = (dims) => Float64Array.from({ length: sizeOf(dims) }, () => random.normal());
  // As the graph stores it.
  return {
    shape: refConvShape(c.dims, c.groups, c.map),
    base: Float64Array.from(Float32Array.from(normals(c.dims))),
    normals,
  };
}
type Draw = (dims: readonly number[]) => Float64Array;

function refocus(b: GraphBuilder, base: Value, map: Value, shape: RefConvShape): Value {
  const attributes = { group: shape.groups, channels: shape.channels };
  return emitInternal(b, 'RefocusKernel', [base, map], [typeLike(base, base.shape ?? [])], attributes)[0];
}

for (const [name, c] of Object.entries(cases))
  describe(name, () => {
    const { shape, base, normals } = drawn(name, c);

    test('RefocusKernel and its gradient are the algebra', () => {
      const graph = new Graph('explicit');
      const b = new GraphBuilder(graph, 20);
      const map = graph.addInput('map', tensorType('float32', shape.mapDims));
      const dy = graph.addInput('dy', tensorType('float32', c.dims));
      const kernel = refocus(b, b.f32(Float32Array.from(base), c.dims), map, shape);
      graph.addOutput(kernel);
      const gradient = differentiate(b, new Map([[kernel, dy]]), [map]).get(map);
      if (!gradient) throw new Error('no gradient');
      graph.addOutput(gradient);
      lower(b, portable);
      const [r, d] = [normals(shape.mapDims), normals(c.dims)];
      const feeds = new Map([
        ['map', realTensor(shape.mapDims, r)],
        ['dy', realTensor(c.dims, d)],
      ]);
      const [wt, dr] = [...evaluate(new Model(graph, 20, 9), feeds).values()];
      expect(wt.dims).toEqual(c.dims);
      expect(dr.dims).toEqual(shape.mapDims);
      expectClose(toNumbers(wt), refConvTransform(base, r, shape), { absolute: 1e-13, relative: 1e-13 });
      expectClose(toNumbers(dr), mapGradient(base, d, shape), { absolute: 1e-13, relative: 1e-13 });
    });

    test('the gradient of the map by central differences', () =>
      checkGradients(`refocus ${name}`, {
        inputs: { map: shape.mapDims },
        build: (b, { map }) => refocus(b, b.f32(Float32Array.from(base), c.dims), map, shape),
      }));

    test('GramKernel is the algebra', () => {
      const p0 = refConvDelta(base, normals(shape.mapDims), shape);
      const k = gramMatrices(base, shape);
      const area = sizeOf(shape.kernel);
      const graph = new Graph('gram');
      const b = new GraphBuilder(graph, 20);
      const inputs: Record<string, { dims: readonly number[]; data: Float64Array }> = {
        base: { dims: c.dims, data: base },
        p0: { dims: c.dims, data: p0 },
        z: { dims: c.dims, data: normals(c.dims) },
        alpha: { dims: [1], data: Float64Array.of(0.75) },
        k: { dims: [shape.groups, area, area], data: k },
      };
      const values = Object.entries(inputs).map(([key, t]) =>
        graph.addInput(key, tensorType('float32', t.dims)),
      );
      const [kernel] = emitInternal(b, 'GramKernel', values, [typeLike(values[0], c.dims)]);
      graph.addOutput(kernel);
      lower(b, portable);
      const feeds = new Map(Object.entries(inputs).map(([key, t]) => [key, realTensor(t.dims, t.data)]));
      const [wt] = [...evaluate(new Model(graph, 20, 9), feeds).values()];
      expect(wt.dims).toEqual(c.dims);
      const expected = gramTransform(base, p0, { alpha: 0.75, z: inputs.z.data }, k, shape);
      expectClose(toNumbers(wt), expected, { absolute: 1e-12, relative: 1e-12 });
    });
  });
