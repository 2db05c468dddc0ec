import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import {
  decodeModel,
  encodeModel,
  Graph,
  loadModel,
  Model,
  Tensor,
  tensorType,
  Value,
} from '../../src/onnx/index.js';
import { refConvShape, refConvTransform } from '../../src/reparam/algebra/refconv.js';
import { constantOf, expand, fuse, readForm, setConstant } from '../../src/reparam/index.js';
import { toFloat64 } from '../../src/reparam/numbers.js';
import { evaluate, realTensor } from '../../src/runtime/reference/index.js';
import { type ArrayData, readSafetensors } from '../support/arrays.js';
import { expectClose } from '../support/close.js';
import { golden, goldenTest } from '../support/goldens.js';

interface LayerInfo {
  readonly name: string;
  readonly in_channels: number;
  readonly groups: number;
  readonly map_kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  readonly bias: boolean;
}

function take(file: ReadonlyMap<string, ArrayData>, name: string) {
  const array = file.get(name);
  if (!array) throw new Error(`the golden file has no ${name}`);
  return { dims: array.dims, data: Float64Array.from(array.data, Number) };
}

function float32(a: { dims: readonly number[]; data: Float64Array }): Tensor {
  return Tensor.float32(a.dims, Float32Array.from(a.data));
}

/** One convolution as the golden layer has it. */
function convModel(info: LayerInfo, file: ReadonlyMap<string, ArrayData>): Model {
  const model = new Model(new Graph(info.name), 17, 8);
  const x = model.graph.addInput('x', tensorType('float32', take(file, 'x').dims));
  const inputs = [x, model.graph.addInitializer('c.weight', float32(take(file, 'w_b')))];
  if (info.bias) inputs.push(model.graph.addInitializer('c.bias', float32(take(file, 'bias'))));
  const y = new Value('y', tensorType('float32', take(file, 'y').dims));
  const pads = new Array<number>(4).fill(info.padding);
  model.graph.addNode({
    opType: 'Conv',
    name: 'c',
    inputs,
    outputs: [y],
    attributes: {
      dilations: [info.dilation, info.dilation],
      group: info.groups,
      pads,
      strides: [info.stride, info.stride],
    },
  });
  model.graph.addOutput(y);
  return model;
}

goldenTest('19 layers as graphs: output and fused kernel are the reference', () => {
  const { layers }: { layers: LayerInfo[] } = JSON.parse(
    readFileSync(golden('refconv', 'layers', 'layers.json'), 'utf8'),
  );
  expect(layers).toHaveLength(19);
  for (const info of layers) {
    const file = readSafetensors(golden('refconv', 'layers', `${info.name}.safetensors`));
    const { model, form } = expand(convModel(info, file), { mapKernel: info.map_kernel });
    const map = take(file, 'w_r');
    expect(constantOf(form.layers[0].map)?.dims, info.name).toEqual(map.dims);
    setConstant(form.layers[0].map, float32(map));

    const x = take(file, 'x');
    const y = evaluate(model, new Map([['x', realTensor(x.dims, x.data)]])).get('y');
    expectClose(
      Array.from(y?.data ?? [], Number),
      take(file, 'y64').data,
      { absolute: 1e-11 },
      `${info.name} y`,
    );

    const fused = fuse(decodeModel(encodeModel(model))).model;
    const weight = fused.graph.find('c.weight');
    const tensor = weight && constantOf(weight);
    if (!tensor) throw new Error(`${info.name} has no fused kernel`);
    const expected = Float64Array.from(Float32Array.from(take(file, 'w_t64').data));
    // rounding to float32 may go the other way where two float64 results differ in their last bit
    expectClose(toFloat64(tensor), expected, { absolute: 1e-12, relative: 2 ** -23 }, `${info.name} w_t`);
    expect(fused.graph.nodes).toHaveLength(1);
  }
});

for (const name of ['mobilenet_v2_narrow', 'mobilenet_v2_zero_map5', 'resnet_narrow'])
  goldenTest(`${name}: the convolutions, kernels and scores of the reference at the start`, async () => {
    const info: { replaced: string[]; map_kernel: number } = JSON.parse(
      readFileSync(golden('refconv', name, 'info.json'), 'utf8'),
    );
    const file = readSafetensors(golden('refconv', name, 'golden.safetensors'));
    const file64 = readSafetensors(golden('refconv', name, 'golden64.safetensors'));
    const batches = readSafetensors(golden('refconv', name, 'batches.safetensors'));
    const baseline = await loadModel(golden('refconv', name, 'forward_eval.onnx'));
    const { model, form, refused } = expand(baseline, { mapKernel: info.map_kernel });
    expect(form.layers.map((l) => l.layer).sort()).toEqual([...info.replaced].sort());
    expect(refused).toEqual([]);

    // untrained: the very file
    const original = Buffer.from(encodeModel(baseline));
    expect(Buffer.from(encodeModel(fuse(model).model)).equals(original)).toBe(true);

    for (const layer of form.layers) {
      const map = take(file, `start.${layer.layer}.w_r`);
      expect(constantOf(layer.map)?.dims).toEqual(map.dims);
      setConstant(layer.map, float32(map));
      const base = constantOf(layer.base);
      if (!base) throw new Error('no base');
      const shape = refConvShape(base.dims, layer.groups, layer.mapKernel);
      const transformed = refConvTransform(toFloat64(base), map.data, shape);
      // the reference's W_t is float32 arithmetic
      expectClose(transformed, take(file, `start.${layer.layer}.w_t`).data, { absolute: 2e-6 }, layer.layer);
    }
    const x = take(batches, 'input');
    const scores = (m: Model) => {
      const [y] = evaluate(m, new Map([['input', realTensor(x.dims, x.data)]])).values();
      return Float64Array.from(y.data, Number);
    };
    const expected = take(file64, 'start.eval_logits').data;
    // the reference ran in float64 from the same float32 parameters
    expectClose(scores(model), expected, { absolute: 1e-9 }, 'training form');
    const fused = fuse(decodeModel(encodeModel(model)));
    expect(fused.weights).toHaveLength(info.replaced.length);
    expectClose(scores(fused.model), expected, { absolute: 1e-5 }, 'fused');
    expect(readForm(fused.model)).toBeUndefined();
  });
