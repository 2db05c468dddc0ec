import { describe, expect, test } from 'vitest';
import { UnsupportedError } from '../../src/base/errors.js';
import { differentiate } from '../../src/finetune/autodiff/differentiate.js';
import { isInternal } from '../../src/finetune/autodiff/internal.js';
import { lower } from '../../src/finetune/lowering/lower.js';
import { portable } from '../../src/finetune/lowering/portable/index.js';
import { Graph, GraphBuilder, Model, Tensor, tensorType, type Value } from '../../src/onnx/index.js';
import { inferNode } from '../../src/onnx/infer/index.js';
import { evaluate } from '../../src/runtime/reference/index.js';

function start(inputs: Record<string, readonly number[]>): {
  b: GraphBuilder;
  model: Model;
  v: Record<string, Value>;
} {
  const graph = new Graph('test');
  const v: Record<string, Value> = {};
  for (const [name, dims] of Object.entries(inputs))
    v[name] = graph.addInput(name, tensorType('float32', dims));
  const b = new GraphBuilder(graph, 20, {
    infer: (node, opset) => (isInternal(node) ? node.outputs.map((o) => o.type) : inferNode(node, opset)),
  });
  return { b, model: new Model(graph, 20, 9), v };
}

/** Gradient of Σ y by x, evaluated in float64. */
function gradient(b: GraphBuilder, model: Model, y: Value, x: Value, data: readonly number[]): number[] {
  const seed = b.constant(
    Tensor.float32(y.shape ?? [], new Float32Array((y.shape ?? []).reduce((n, d) => n * d, 1)).fill(1)),
  );
  const g = differentiate(b, new Map([[y, seed]]), [x]).get(x);
  if (!g) throw new Error('no gradient');
  model.graph.addOutput(b.op('Identity', [g]));
  lower(b, portable);
  const feeds = new Map([
    [x.name, { dataType: 'float64' as const, dims: x.shape ?? [], data: Float64Array.from(data) }],
  ]);
  const [out] = evaluate(model, feeds).values();
  return Array.from<number | bigint, number>(out.data, Number);
}

describe('conventions', () => {
  test('MaxPool: a tie goes to the first maximum of the window, row by row', () => {
    const { b, model, v } = start({ x: [1, 1, 4, 4] });
    const y = b.op('MaxPool', [v.x], { kernel_shape: [2, 2], strides: [2, 2] });
    const flat = new Array<number>(16).fill(3);
    expect(gradient(b, model, y, v.x, flat)).toEqual([1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]);
  });

  test('MaxPool, overlapping windows over a flat map: each window counts once', () => {
    const { b, model, v } = start({ x: [1, 1, 4, 4] });
    const y = b.op('MaxPool', [v.x], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
    // Windows start at -1 and 1; padding never wins, so the first real element of each does.
    expect(gradient(b, model, y, v.x, new Array<number>(16).fill(-2))).toEqual([
      1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ]);
  });

  test('Relu and Clip have gradient 0 on their kinks', () => {
    const relu = start({ x: [3] });
    expect(gradient(relu.b, relu.model, relu.b.op('Relu', [relu.v.x]), relu.v.x, [-1, 0, 1])).toEqual([
      0, 0, 1,
    ]);
    const clip = start({ x: [5] });
    const y = clip.b.op('Clip', [clip.v.x, clip.b.f32(0), clip.b.f32(6)]);
    expect(gradient(clip.b, clip.model, y, clip.v.x, [-1, 0, 3, 6, 7])).toEqual([0, 0, 1, 0, 0]);
  });
});

describe('what is emitted', () => {
  test('nothing for an input that needs no gradient', () => {
    const { b, model, v } = start({ x: [2, 3, 4, 4], w: [3, 3, 1, 1] });
    const y = b.op('Conv', [v.x, v.w]);
    const seed = b.constant(Tensor.float32([2, 3, 4, 4], new Float32Array(96)));
    differentiate(b, new Map([[y, seed]]), [v.w]);
    expect(model.graph.nodes.map((n) => n.opType)).toEqual(['Conv', 'ConvWeightGrad']);
  });

  test('names follow the forward node', () => {
    const { b, model, v } = start({ x: [2, 3] });
    const y = b.op('Tanh', [v.x], {}, { name: 'head' });
    differentiate(b, new Map([[y, b.constant(Tensor.float32([2, 3], new Float32Array(6)))]]), [v.x]);
    expect(model.graph.nodes.slice(1).every((n) => n.name.startsWith('head_grad/'))).toBe(true);
  });
});

describe('refusals, before anything runs', () => {
  test('an operator without a rule, naming the node and the operators that have one', () => {
    const { b, v } = start({ x: [2, 3] });
    const y = b.op('Einsum', [v.x], { equation: 'ij->ji' }, { name: 'twist' });
    const seed = b.constant(Tensor.float32([3, 2], new Float32Array(6)));
    expect(() => differentiate(b, new Map([[y, seed]]), [v.x])).toThrow(UnsupportedError);
    expect(() => differentiate(b, new Map([[y, seed]]), [v.x])).toThrow(/Einsum 'twist'.*\n.*Conv.*Relu/s);
  });

  test('a trainable tensor that the loss does not depend on', () => {
    const { b, v } = start({ x: [2], lonely: [3] });
    const y = b.op('Exp', [v.x]);
    const seed = b.constant(Tensor.float32([2], [1, 1]));
    expect(() => differentiate(b, new Map([[y, seed]]), [v.x, v.lonely])).toThrow(
      /does not depend.*'lonely'/,
    );
  });

  test('an operator in steps stops the gradient, which is then missing', () => {
    const { b, v } = start({ x: [2] });
    const y = b.op('Floor', [v.x]);
    const seed = b.constant(Tensor.float32([2], [1, 1]));
    expect(() => differentiate(b, new Map([[y, seed]]), [v.x])).toThrow(/does not depend/);
  });

  test('a Slice whose starts are computed', () => {
    const { b, v } = start({ x: [4] });
    const starts = b.op('Cast', [b.op('ReduceSum', [v.x])], { to: 7 });
    const y = b.op('Slice', [v.x, starts, b.i64([4])], {}, { name: 'cut' });
    y.type = tensorType('float32', [2]);
    const seed = b.constant(Tensor.float32([2], [1, 1]));
    expect(() => differentiate(b, new Map([[y, seed]]), [v.x])).toThrow(/Slice 'cut'.*is computed/);
  });
});
