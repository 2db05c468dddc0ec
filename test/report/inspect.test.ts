import { expect, test } from 'vitest';
import {
  countModel,
  Graph,
  GraphBuilder,
  Model,
  Tensor,
  tensorType,
  UNUSED_PARAMETERS_KEY,
} from '../../src/onnx/index.js';
import { inspectHeader, inspectJson, inspectTable, layerTable } from '../../src/report/inspect.js';

function small(name = 'stem'): Model {
  const graph = new Graph('g');
  const b = new GraphBuilder(graph, 17);
  const zeros = (...dims: number[]): Tensor =>
    Tensor.float32(dims, new Float32Array(dims.reduce((a, d) => a * d, 1)));
  const x = graph.addInput('input', tensorType('float32', ['N', 3, 32, 32]));
  const stem = b.op('Conv', [x, b.constant(zeros(8, 3, 3, 3), 'w')], { pads: [1, 1, 1, 1] }, { name });
  const bn = b.op('BatchNormalization', [stem, ...['a', 'b', 'c', 'd'].map((n) => b.constant(zeros(8), n))]);
  const y = b.op('Add', [stem, b.op('Relu', [bn])], {}, { name: 'join', outputs: ['logits'] });
  graph.addOutput(y);
  const model = new Model(graph, 17, 8);
  model.producerName = 'somebody';
  model.metadata.set('key', 'value');
  return model;
}

test('the text for people', () => {
  const model = small();
  expect(inspectHeader(model)).toMatchInlineSnapshot(`
    "IR 8, opset ai.onnx 17, made by somebody
    input  input: float32 [N, 3, 32, 32]
    output logits: float32 [N, 8, 32, 32]"
  `);
  expect(inspectTable(countModel(model))).toMatchInlineSnapshot(`
    "layer               operator            output shape    parameters  mult-adds  connections  reads
    ──────────────────  ──────────────────  ──────────────  ──────────  ─────────  ───────────  ──────────
    stem                Conv                [1, 8, 32, 32]         216    221,184      221,184  input
    BatchNormalization  BatchNormalization  [1, 8, 32, 32]          16          0            0
    Relu                Relu                [1, 8, 32, 32]           0          0            0
    join                Add                 [1, 8, 32, 32]           0          0            0  stem, Relu

    parameters   232, beside 16 running statistics
    mult-adds    221,184 (221.2 k) for one image: convolutions and matrix products, without biases (FLOPs are twice this)
    connections  221,184 (221.2 k) for one image: to inputs through weights, and to biases
    memory       992 B constants; for one image 131.1 kB activations, 98.3 kB at most at once

    as torchinfo counts, for one image (mult-adds with biases and normalizations; MB are 10⁶ bytes):
      Total params                232
      Trainable params            232
      Non-trainable params        0
      Total mult-adds             221,200 (221.2 k)
      Input size                  0.01 MB
      Forward/backward pass size  0.13 MB
      Params size                 0.00 MB
      Estimated total size        0.14 MB"
  `);
});

test('a weight path has its own column and line; frozen elements and larger batches are said', () => {
  const graph = new Graph('g');
  const b = new GraphBuilder(graph, 17);
  const x = graph.addInput('x', tensorType('float32', ['N', 4]));
  const factor = (name: string, ...dims: number[]) =>
    b.constant(Tensor.float32(dims, new Float32Array(8)), name);
  const w = b.op('MatMul', [factor('u', 4, 2), factor('v', 2, 4)]);
  graph.addOutput(b.op('MatMul', [x, w], {}, { name: 'product' }));
  const counted = countModel(new Model(graph, 17), {
    batch: 32,
    role: (v) => (v.name === 'u' ? 'frozen' : undefined),
  });
  expect(inspectTable(counted)).toMatchInlineSnapshot(`
    "layer    operator  output shape  parameters  mult-adds  for its weights  connections  reads
    ───────  ────────  ────────────  ──────────  ─────────  ───────────────  ───────────  ─────
    product  MatMul    [32, 4]                8        512               32           16  x

    parameters   8, beside 8 frozen
    mult-adds    512 for 32 images: convolutions and matrix products, without biases (FLOPs are twice this)
                 32 more to compute the weights, whatever the batch
    connections  16 for one image: to inputs through weights, and to biases
    memory       64 B constants; for 32 images 512 B activations, 1.0 kB at most at once

    as torchinfo counts, for 32 images (mult-adds with biases and normalizations; MB are 10⁶ bytes):
      Total params                16
      Trainable params            8
      Non-trainable params        8
      Total mult-adds             512
      Input size                  0.00 MB
      Forward/backward pass size  0.00 MB
      Params size                 0.00 MB
      Estimated total size        0.00 MB"
  `);
});

test('layers without a count are named', () => {
  const graph = new Graph('g');
  const b = new GraphBuilder(graph, 17);
  const x = graph.addInput('x', tensorType('float32', ['N', 4, 'H', 'W']));
  const w = b.constant(Tensor.float32([2, 4, 1, 1], new Float32Array(8)), 'w');
  graph.addOutput(b.op('Conv', [x, w], {}, { name: 'c' }));
  const text = inspectTable(countModel(new Model(graph, 17)));
  expect(text).toContain('not in the mult-adds (unknown shape or no rule): c');
  expect(text.split('\n')[2]).toMatch(/^c +Conv +\[1, 2, H, W\] +8 +– +– +x$/);
});

test('markdown has the totals, csv only the layers', () => {
  const counted = countModel(small());
  expect(inspectTable(counted, 'markdown')).toMatch(/^\| layer .*\n[\s\S]*\n\n```text\nparameters {3}232/);
  expect(inspectTable(counted, 'csv').split('\n')).toHaveLength(1 + layerTable(counted).rows.length);
  expect(inspectTable(counted, 'csv').split('\n')[1]).toBe(
    'stem,Conv,"[1, 8, 32, 32]",216,221184,221184,input',
  );
});

test('JSON has what design promises and survives a round trip', () => {
  const model = small();
  const json = JSON.parse(JSON.stringify(inspectJson(model, countModel(model))));
  expect(json).toMatchObject({
    parameters: 216 + 16,
    buffers: 16,
    multAdds: 216 * 1024,
    irVersion: 8,
    opsets: { 'ai.onnx': 17 },
    producer: 'somebody',
    inputs: [{ name: 'input', dataType: 'float32', shape: ['N', 3, 32, 32] }],
    outputs: [{ name: 'logits', dataType: 'float32', shape: ['N', 8, 32, 32] }],
    metadata: { key: 'value' },
  });
  expect(json.layers[0]).toEqual({
    name: 'stem',
    op: 'Conv',
    outputShape: [1, 8, 32, 32],
    parameters: 216,
    multAdds: 216 * 1024,
    weightMultAdds: 0,
    connections: 216 * 1024,
    reads: ['input'],
  });
});

test('in a narrow terminal names are cut in the middle, numbers are not', () => {
  const table = inspectTable(countModel(small('a.rather.long.name.of.a.layer')), 'text', 90).split('\n\n')[0];
  expect(Math.max(...table.split('\n').map((line) => line.length))).toBeLessThanOrEqual(90);
  expect(table).toMatch(/^a\.r\S*…\S*yer +Conv +\[1, 8, 32, 32\] +216 +221,184 +221,184 +input$/m);
});

test('parameters that no layer uses are said, and are part of what torchinfo calls the total', () => {
  const model = small();
  model.graph.addInitializer('spare.weight', Tensor.float32([4, 4], new Float32Array(16)));
  model.metadata.set(UNUSED_PARAMETERS_KEY, JSON.stringify(['spare.weight']));
  const text = inspectTable(countModel(model));
  expect(text).toContain('parameters   232, beside 16 that no layer uses and 16 running statistics');
  expect(text).toMatch(/^ {2}Total params +248$/m);
  expect(text).toMatch(/^ {2}Params size +0\.00 MB$/m);
});

test('control characters in names do not reach the terminal', () => {
  const text = inspectTable(countModel(small('\u001b[31mred\n')));
  expect(text).not.toContain('\u001b');
  expect(text.split('\n')[2]).toMatch(/^\uFFFD\[31mred\uFFFD +Conv/);
});
