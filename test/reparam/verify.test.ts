import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import { cloneModel, type Model, Tensor, tensorType } from '../../src/onnx/index.js';
import { constantOf, expand, fuse, readForm, setConstant, verify } from '../../src/reparam/index.js';
import { toFloat64 } from '../../src/reparam/numbers.js';
import { compareAnswers, compareRange, compareTensors } from '../../src/reparam/verify/compare.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { Net, normals, smallNet } from './nets.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
});
afterAll(() => engine.close());

function trained(): Model {
  const { model } = expand(smallNet(), { init: 'xavier', seed: 4 });
  return model;
}

/** A copy with one number of one constant changed. */
function changed(model: Model, name: string, index: number, change: (v: number) => number): Model {
  const copy = cloneModel(model);
  const value = copy.graph.find(name);
  const tensor = value && constantOf(value);
  if (!tensor) throw new Error(`no constant '${name}'`);
  const data = Float32Array.from(toFloat64(tensor));
  data[index] = change(data[index]);
  setConstant(value, Tensor.float32(tensor.dims, data));
  return copy;
}

describe('a training form and what it fuses to', () => {
  test('are equivalent', async () => {
    const training = trained();
    for (const foldBatchNorm of [false, true]) {
      const report = await verify(training, fuse(training, { foldBatchNorm }).model, engine);
      expect(report.problems).toEqual([]);
      expect(report.equivalent).toBe(true);
      expect(report.maxRelative).toBeLessThan(2e-6);
      expect(report.maxRelative).toBeGreaterThan(0);
      expect(report.top1Agreement).toBe(1);
      expect(report.samples).toBe(8);
      expect(report.weights.map((w) => w.layer)).toEqual(
        expect.arrayContaining(['stem.weight', 'dw.weight', 'last.weight']),
      );
      for (const w of report.weights) expect(w.maxRelative, w.layer).toBeLessThanOrEqual(2 ** -24);
      expect(report.worstNode).not.toBeNull();
    }
  });

  test('one changed value of a map is found, and its node, however little it moves', async () => {
    const training = trained();
    const fused = fuse(training).model;
    for (const [layer, node] of [
      ['stem', 'stem/Conv'],
      ['last', 'last/Conv'],
    ])
      for (const relative of [1e-5, 1e-2]) {
        const other = changed(training, `${layer}/refconv/map`, 4, (v) => v * (1 + relative));
        const report = await verify(other, fused, engine, { tolerance: 1 });
        expect(report.equivalent, `${layer} ${relative}`).toBe(false);
        expect(report.worstNode).toBe(node);
      }
  });

  test('one changed value of a base is found by its hash too, even fused consistently', async () => {
    const training = changed(trained(), 'dw/refconv/base', 7, (v) => v * (1 + 2 ** -23));
    const report = await verify(training, fuse(training).model, engine);
    expect(report.equivalent).toBe(false);
    expect(report.problems).toEqual([
      "the frozen base 'dw/refconv/base' of the first model is not the checkpoint's any more",
    ]);
  });

  test('one changed value of a fused kernel is found, in either order', async () => {
    const training = trained();
    const fused = changed(fuse(training).model, 'dw.weight', 3, (v) => v + 1e-6);
    for (const [a, b] of [
      [training, fused],
      [fused, training],
    ]) {
      const report = await verify(a, b, engine, { tolerance: 1e-2 });
      expect(report.equivalent).toBe(false);
      expect(report.worstNode).toBe('dw/Conv');
    }
  });

  test('another bias or classifier is found by the outputs, and the node named', async () => {
    const training = trained();
    const fused = changed(fuse(training).model, 'last.bias', 0, (v) => v + 0.1);
    const report = await verify(training, fused, engine);
    expect(report.equivalent).toBe(false);
    expect(report.maxRelative).toBeGreaterThan(1e-3);
    expect(report.worstNode).toBe('last/Conv');
  });
});

describe('plain models', () => {
  test('a model and its folded normalizations', async () => {
    const model = smallNet();
    const report = await verify(model, fuse(model, { foldBatchNorm: true }).model, engine);
    expect(report.problems).toEqual([]);
    expect(report.maxRelative).toBeLessThan(2e-6);
  });

  test('a model and itself: no error at all', async () => {
    const report = await verify(smallNet(), smallNet(), engine, { samples: 3 });
    expect(report).toMatchObject({
      equivalent: true,
      maxRelative: 0,
      maxAbsolute: 0,
      top1Agreement: 1,
      flips: 0,
    });
    expect(report.samples).toBe(3);
  });

  test('normalizations in training form are compared in inference form', async () => {
    const training = smallNet();
    for (const n of training.graph.nodes)
      if (n.opType === 'BatchNormalization') n.setAttribute('training_mode', 1);
    expect((await verify(training, smallNet(), engine)).equivalent).toBe(true);
  });

  test('real batches; a fixed batch', async () => {
    const net = new Net();
    const fixed = net.output(net.conv(net.input([2, 3, 4, 4]), 'c', [2, 3, 3, 3]));
    const batches = [1, 2, 3].map(
      (i) => new Map([['x', Tensor.float32([2, 3, 4, 4], normals(96, 'real', i))]]),
    );
    const report = await verify(fixed, cloneModel(fixed), engine, { batches });
    expect(report).toMatchObject({ equivalent: true, samples: 6, top1Agreement: null });
    expect((await verify(fixed, fixed, engine, { samples: 3 })).samples).toBe(4);
  });

  test('the scores before a trailing Softmax are compared too', async () => {
    const build = (factor: number) => {
      const net = new Net();
      const w = net.weight(
        'w',
        [2, 3],
        [1, 2, 3, 1, 2, 3].map((v, i) => (i === 1 ? v * factor : v)),
      );
      const scores = net.op('Gemm', [net.input(['N', 2]), w]);
      // far apart scores: the Softmax hides what happens to the small ones
      return net.output(
        net.op('Softmax', [net.op('Mul', [scores, net.weight('big', [3], [1, 1, 60])])], { axis: 1 }),
      );
    };
    const report = await verify(build(1), build(1.01), engine, { samples: 4 });
    expect(report.equivalent).toBe(false);
    expect(report.outputs.map((o) => o.name)).toEqual(['logits', 'logits (before Softmax)']);
    expect(report.outputs[1].maxRelative).toBeGreaterThan(1e-5);
  });

  test('scores that the models lay out differently before the Softmax', async () => {
    const build = (flattenFirst: boolean) => {
      const net = new Net();
      const c = net.conv(net.input(['N', 2, 3, 3]), 'c', [4, 2, 3, 3], { pads: [0, 0, 0, 0] });
      if (flattenFirst) return net.output(net.op('Softmax', [net.op('Flatten', [c])], { axis: 1 }));
      return net.output(net.op('Flatten', [net.op('Softmax', [c], { axis: 1 })]));
    };
    const report = await verify(build(false), build(true), engine);
    expect(report.problems).toEqual([]);
    expect(report.outputs[1].name).toBe('logits (before Softmax)');
  });

  test('NaN never passes, not even in both', async () => {
    const net = () => {
      const n = new Net();
      return n.output(
        n.op('Sqrt', [n.op('Sub', [n.op('Abs', [n.input([2, 3])]), n.weight('hundred', [], [100])])]),
      );
    };
    const report = await verify(net(), net(), engine, { tolerance: 1e9 });
    expect(report.equivalent).toBe(false);
    expect(report.problems[0]).toContain('NaN');
  });

  test('other inputs, outputs, types or shapes fail before anything runs', async () => {
    const base = () => {
      const n = new Net();
      return n.output(n.conv(n.input(['N', 3, 4, 4]), 'c', [2, 3, 3, 3]));
    };
    const cases: [string, (m: Model) => void][] = [
      ["input 'x' is missing in the second model", (m) => (m.graph.inputs[0].name = 'y')],
      ["output 'logits' is missing", (m) => (m.graph.outputs[0].name = 'z')],
      [
        '[N, 3, 4, 4] in the one and [N, 3, 5, 5]',
        (m) => (m.graph.inputs[0].type = tensorType('float32', ['N', 3, 5, 5])),
      ],
      [
        'float32 in the one and float16',
        (m) => (m.graph.inputs[0].type = tensorType('float16', ['N', 3, 4, 4])),
      ],
      [
        "output 'c/Conv_out' is missing in the first",
        (m) => m.graph.addOutput(m.graph.addInput('c/Conv_out')),
      ],
    ];
    for (const [problem, edit] of cases) {
      const other = base();
      edit(other);
      const report = await verify(base(), other, engine);
      expect(report.equivalent).toBe(false);
      expect(report.problems.join('\n')).toContain(problem);
      expect(report.samples).toBe(0);
    }
  });

  test('an output of another shape, found by running', async () => {
    const build = (axes: number[]) => {
      const n = new Net();
      return n.output(n.op('ReduceMean', [n.input(['N', 3, 4])], { axes, keepdims: 0 }));
    };
    const report = await verify(build([2]), build([1]), engine);
    expect(report.equivalent).toBe(false);
    expect(report.problems).toEqual([expect.stringContaining('is [4,3] in the one and [4,4] in the other')]);
  });

  test('open axes beside the batch ask for a shape', async () => {
    const n = new Net();
    const model = n.output(n.conv(n.input(['N', 3, 'H', 'W']), 'c', [2, 3, 3, 3]));
    await expect(verify(model, model, engine)).rejects.toThrow(UsageError);
    const report = await verify(model, model, engine, { inputShapes: { x: [2, 3, 6, 5] } });
    expect(report.equivalent).toBe(true);
  });

  test('nothing to compare on is no proof', async () => {
    const report = await verify(smallNet(), smallNet(), engine, { samples: 0 });
    expect(report.equivalent).toBe(false);
    expect(report.problems).toEqual(['nothing was compared: no samples']);
  });
});

describe('the measure', () => {
  const f64 = (...v: number[]) => Float64Array.of(...v);

  test('is relative to the scale of the sample, absolute where that is zero', () => {
    expect(compareRange(f64(1e4, 1), f64(1e4, 1.5), 0, 2)).toEqual({
      absolute: 0.5,
      scale: 1e4,
      relative: 5e-5,
    });
    expect(compareRange(f64(0, 0), f64(0, 1e-6), 0, 2).relative).toBe(1e-6);
    expect(compareRange(f64(Number.NaN), f64(Number.NaN), 0, 1).relative).toBe(Number.POSITIVE_INFINITY);
    expect(
      compareRange(f64(Number.POSITIVE_INFINITY, 2), f64(Number.POSITIVE_INFINITY, 2), 0, 2).relative,
    ).toBe(0);
    expect(compareRange(f64(1, 2), f64(Number.POSITIVE_INFINITY, 2), 0, 2).relative).toBe(
      Number.POSITIVE_INFINITY,
    );
  });

  test('each sample has its own scale', () => {
    const a = Tensor.float32([2, 2], [1000, 0, 1, 0]);
    const b = Tensor.float32([2, 2], [1000, 0.5, 1, 0.5]);
    const errors = compareTensors(a, b, 2);
    expect(typeof errors === 'string' ? errors : errors.map((e) => e.relative)).toEqual([0.0005, 0.5]);
  });

  test('integers and booleans must be equal', () => {
    const ints = (v: number) => Tensor.int64([2], [1, v]);
    expect(compareTensors(ints(2), ints(2), 2)).toEqual([{ relative: 0, absolute: 0, scale: 1 }]);
    expect(compareTensors(ints(2), ints(3), 2)).toBe('differs');
    expect(compareTensors(ints(2), Tensor.int32([2], [1, 2]), 2)).toContain('int64 in the one');
  });

  test('a flip within twice the allowed error is a tie; beyond it, a changed answer', () => {
    const a = Tensor.float32([3, 2], [1, 0.999, 1, 0.5, 0, 1]);
    const b = Tensor.float32([3, 2], [0.999, 1, 0.5, 1, 0, 1]);
    expect(compareAnswers(a, b, 1e-3)).toEqual({ samples: 3, agreeing: 1, decided: 1 });
  });
});

test('a form read back from a file verifies against its baseline when untrained', async () => {
  const baseline = smallNet();
  const { model } = expand(baseline);
  const report = await verify(baseline, model, engine);
  expect(report.equivalent).toBe(true);
  expect(readForm(model)?.layers).toHaveLength(3);
  const xavier = await verify(baseline, trained(), engine);
  expect(xavier.equivalent).toBe(false);
});
