import { describe, expect, test } from 'vitest';
import { UnsupportedError } from '../../src/base/errors.js';
import { differentiate } from '../../src/finetune/autodiff/differentiate.js';
import { emitInternal, inferTrained } from '../../src/finetune/autodiff/internal.js';
import { Graph, GraphBuilder, Model, sizeOf, Tensor, tensorType, type Value } from '../../src/onnx/index.js';
import { gradientOf } from '../support/gradient-of.js';

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
    infer: inferTrained,
  });
  return { b, model: new Model(graph, 20, 9), v };
}

/** A seed of ones. */
function ones(b: GraphBuilder, y: Value): Value {
  const dims = y.shape ?? [];
  return b.constant(Tensor.float32(dims, new Float32Array(sizeOf(dims)).fill(1)));
}

/** Gradient of Σ f(x) by x. */
function slope(
  dims: readonly number[],
  data: readonly number[],
  f: (b: GraphBuilder, x: Value) => Value,
): number[] {
  return gradientOf(dims, data, f, () => 1).gradient;
}

describe('conventions', () => {
  test('MaxPool: a tie goes to the first maximum of the window, row by row', () => {
    const flat = new Array<number>(16).fill(3);
    expect(
      slope([1, 1, 4, 4], flat, (b, x) => b.op('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2] })),
    ).toEqual([1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]);
  });

  test('MaxPool, overlapping windows over a flat map: each window counts once', () => {
    // Windows start at -1 and 1; padding never wins, so the first real element of each does.
    const attributes = { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] };
    expect(
      slope([1, 1, 4, 4], new Array<number>(16).fill(-2), (b, x) => b.op('MaxPool', [x], attributes)),
    ).toEqual([1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  test('GlobalMaxPool: a tie goes to the first maximum', () => {
    const data = [1, 3, 2, 3, 5, 5, 5, 5];
    expect(slope([1, 2, 2, 2], data, (b, x) => b.op('GlobalMaxPool', [x]))).toEqual([0, 1, 0, 0, 1, 0, 0, 0]);
  });

  test('ReduceMax and ReduceMin: ties share evenly (torch.amax)', () => {
    const data = [1, 3, 3, 2, 2, 2];
    const axes = (b: GraphBuilder): Value => b.i64([1]);
    const third = 1 / 3;
    expect(slope([2, 3], data, (b, x) => b.op('ReduceMax', [x, axes(b)]))).toEqual([
      0,
      0.5,
      0.5,
      third,
      third,
      third,
    ]);
    expect(slope([2, 3], data, (b, x) => b.op('ReduceMin', [x, axes(b)]))).toEqual([
      1,
      0,
      0,
      third,
      third,
      third,
    ]);
  });

  test('ReduceL1 and ReduceL2 have gradient 0 at 0 (torch.linalg.vector_norm)', () => {
    expect(slope([2, 2], [0, 0, 0, -4], (b, x) => b.op('ReduceL2', [x, b.i64([1])]))).toEqual([0, 0, 0, -1]);
    expect(slope([3], [0, -2, 5], (b, x) => b.op('ReduceL1', [x]))).toEqual([0, -1, 1]);
  });

  test('ReduceProd with zeros: the product of the others (torch.prod)', () => {
    const data = [0, 3, 2, 0, 0, 2, 1, 2, 4];
    expect(slope([3, 3], data, (b, x) => b.op('ReduceProd', [x, b.i64([1])]))).toEqual([
      6, 0, 0, 0, 0, 0, 8, 4, 2,
    ]);
  });

  test('Relu and Clip have gradient 0 on their kinks', () => {
    expect(slope([3], [-1, 0, 1], (b, x) => b.op('Relu', [x]))).toEqual([0, 0, 1]);
    expect(slope([5], [-1, 0, 3, 6, 7], (b, x) => b.op('Clip', [x, b.f32(0), b.f32(6)]))).toEqual([
      0, 0, 1, 0, 0,
    ]);
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

  test('a frozen stem costs nothing', () => {
    const { b, model, v } = start({ x: [2, 3, 8, 8], frozen: [4, 3, 3, 3], head: [5, 4, 1, 1] });
    const stem = b.op('MaxPool', [b.op('Relu', [b.op('Conv', [v.x, v.frozen])])], { kernel_shape: [2, 2] });
    const scores = b.op('Conv', [stem, v.head], {}, { name: 'scores' });
    const y = b.op('GlobalAveragePool', [scores]);
    const forward = model.graph.nodes.length;
    differentiate(b, new Map([[y, ones(b, y)]]), [v.head]);
    const emitted = model.graph.nodes.slice(forward).map((n) => n.opType);
    expect(emitted).toEqual(['Mul', 'Expand', 'ConvWeightGrad']);
  });

  test('a gradient does not go into branches that hold nothing wanted', () => {
    const { b, model, v } = start({ x: [2, 3], w: [3, 3], frozen: [3, 3] });
    const y = b.op('Mul', [b.op('MatMul', [v.x, v.w]), b.op('Exp', [b.op('MatMul', [v.x, v.frozen])])]);
    const forward = model.graph.nodes.length;
    differentiate(b, new Map([[y, ones(b, y)]]), [v.w]);
    expect(model.graph.nodes.slice(forward).map((n) => n.opType)).toEqual(['Mul', 'Transpose', 'MatMul']);
  });

  test('a sum of several gradients says of how many', () => {
    const { b, model, v } = start({ x: [2] });
    const h = b.op('Exp', [v.x], {}, { name: 'h' });
    const y = ['Tanh', 'Neg', 'Sigmoid', 'Sqrt']
      .map((op) => b.op(op, [h]))
      .reduce((p, q) => b.op('Add', [p, q]));
    differentiate(b, new Map([[y, ones(b, y)]]), [v.x]);
    const sums = model.graph.nodes.filter((n) => n.name.startsWith('h_grad/sum'));
    expect(sums.map((n) => n.name)).toEqual(['h_grad/sum2', 'h_grad/sum3', 'h_grad/sum4']);
  });

  test('names follow the forward node', () => {
    const { b, model, v } = start({ x: [2, 3] });
    const y = b.op('Tanh', [v.x], {}, { name: 'head' });
    differentiate(b, new Map([[y, b.constant(Tensor.float32([2, 3], new Float32Array(6)))]]), [v.x]);
    expect(model.graph.nodes.slice(1).every((n) => n.name.startsWith('head_grad/'))).toBe(true);
  });
});

describe('several outputs', () => {
  test('Split: parts that the loss does not read count as zero', () => {
    const square = (b: GraphBuilder, x: Value): Value => {
      const [, second] = b.ops('Split', [x, b.i64([1, 2, 3])], { axis: 0 }, { outputs: 3 });
      return b.op('Mul', [second, second]);
    };
    expect(slope([6], [1, 2, 3, 4, 5, 6], square)).toEqual([0, 4, 6, 0, 0, 0]);
  });

  test('an output that has no gradient of its own is refused, naming it', () => {
    const { b, v } = start({ x: [2, 3, 4, 4], gamma: [3], beta: [3] });
    const like = [v.x.type, v.gamma.type, v.gamma.type];
    const [, mean] = emitInternal(b, 'BatchNormTrain', [v.x, v.gamma, v.beta], like);
    expect(() => differentiate(b, new Map([[mean, ones(b, mean)]]), [v.x])).toThrow(
      /BatchNormTrain.*its output .* is on the way to the loss/,
    );
  });
});

describe('refusals, before anything runs', () => {
  const refused = (
    emit: (b: GraphBuilder, v: Record<string, Value>) => Value,
    message: RegExp,
    inputs: Record<string, readonly number[]> = { x: [2, 3] },
  ): void => {
    const { b, model, v } = start(inputs);
    const y = emit(b, v);
    y.type = tensorType('float32', y.shape ?? [2, 3]);
    const seed = ones(b, y);
    const nodes = model.graph.nodes.length;
    const call = (): unknown => differentiate(b, new Map([[y, seed]]), Object.values(v));
    expect(call).toThrow(UnsupportedError);
    expect(call).toThrow(message);
    expect(model.graph.nodes.length, 'nothing was emitted').toBe(nodes);
  };

  test('an operator without a rule, naming the node and the operators that have one', () => {
    refused(
      (b, v) => b.op('Shrink', [v.x], {}, { name: 'pick' }),
      /Shrink 'pick': no gradient rule for this operator\n.*Conv.*Relu.*Split/s,
    );
  });

  test('all of them in one message', () => {
    refused((b, v) => {
      let y = v.x;
      for (let i = 0; i < 7; i++) y = b.op('Shrink', [y], {}, { name: `pick${i}` });
      const odd = b.node('Odd', [y], {}, { domain: 'com.example', name: 'odd' });
      odd.outputs[0].type = v.x.type;
      return odd.output();
    }, /Shrink 'pick0', .*'pick4' and 2 more: .*; nor through com.example.Odd 'odd': .*domain 'com.example'/);
  });

  test('control flow', () => {
    refused(
      (b, v) => b.op('Scan', [v.x], { num_scan_inputs: 1 }, { name: 'over rows' }),
      /Scan 'over rows': no gradient through control flow.*\n.*traced/s,
    );
  });

  test('a trainable tensor that the loss does not depend on', () => {
    const { b, v } = start({ x: [2], lonely: [3] });
    const y = b.op('Exp', [v.x]);
    b.op('Neg', [v.lonely], {}, { name: 'aside' });
    expect(() => differentiate(b, new Map([[y, ones(b, y)]]), [v.x, v.lonely])).toThrow(
      /does not depend.*'lonely' of Neg 'aside'/,
    );
  });

  test('an operator in steps ends the way to the loss', () => {
    refused(
      (b, v) => b.op('Exp', [b.op('Floor', [v.x], {}, { name: 'steps' })]),
      /does not depend on .*no gradient goes through Floor 'steps', which changes in steps.*\n.*--group/s,
    );
  });

  test('a value that a branch reads from outside is on the way', () => {
    refused((b, v) => {
      const branch = new Graph('branch');
      const relu = branch.addNode({ opType: 'Relu', inputs: [v.x], outputs: ['inside'] });
      branch.addOutput(relu.output());
      const value = { type: 'graph', value: branch } as const;
      const condition = b.op('Cast', [b.i64(1)], { to: 9 });
      const y = b.op('If', [condition], { then_branch: value, else_branch: value }, { name: 'choose' });
      y.type = v.x.type;
      // Another way to the loss, so that the tensor itself is reached.
      return b.op('Add', [y, v.x]);
    }, /If 'choose': no gradient through control flow/);
  });

  test('a tensor is called what the caller calls it', () => {
    const { b, v } = start({ x: [2], flat: [3] });
    const y = b.op('Exp', [v.x]);
    expect(() =>
      differentiate(b, new Map([[y, ones(b, y)]]), [v.x, v.flat], (w) => `weight of ${w.name}`),
    ).toThrow(/'weight of flat', which nothing reads/);
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
