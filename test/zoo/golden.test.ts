import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { decodeModel } from '../../src/onnx/codec/decode.js';
import { type Model, Tensor } from '../../src/onnx/index.js';
import { buildModel, MOBILENETV2_STAGES, mobileNetV2 } from '../../src/zoo/index.js';
import { readNpy, readSafetensors } from '../support/arrays.js';
import { expectClose } from '../support/close.js';
import { golden, goldenTest, sharedFile } from '../support/goldens.js';
import { normals, run } from './support.js';

/** Puts weights in by name. Every one of the model's must be given, with its dims. */
function fill(model: Model, weights: ReadonlyMap<string, Tensor>): void {
  let filled = 0;
  for (const value of [...model.graph.initializers].filter((v) => !v.name.startsWith('const/'))) {
    const tensor = weights.get(value.name);
    if (!tensor) throw new Error(`no weight for ${value.name}`);
    expect(tensor.dims, value.name).toEqual(value.shape);
    model.graph.setInitializer(value, tensor);
    filled++;
  }
  expect(filled).toBe(weights.size);
}

function float32(data: unknown): Float32Array {
  if (!(data instanceof Float32Array)) throw new Error('not float32');
  return data;
}

goldenTest("MobileNetV2 with torchvision's weights, by torchvision's names, gives its output", async () => {
  const folder = golden('onnx-export', 'mobilenet_v2_025');
  const exported = decodeModel(readFileSync(`${folder}/script17_evalbn.onnx`));
  const weights = new Map<string, Tensor>();
  for (const { name, initializer } of exported.graph.initializers)
    if (initializer && /^(features|classifier)\./.test(name)) weights.set(name, initializer);
  // The generator's narrow variant: width 0.25 in multiples of 4, repeats 1 2 2 2 2 2 1, a 96-channel last layer.
  const repeats = [1, 2, 2, 2, 2, 2, 1];
  const model = mobileNetV2({
    width: 0.25,
    size: 48,
    classes: 10,
    divisor: 4,
    lastChannels: 96,
    stages: MOBILENETV2_STAGES.map((stage, i) => ({ ...stage, n: repeats[i] })),
  });
  fill(model, weights);
  const input = readNpy(`${folder}/input.npy`);
  const y = await run(model, input.dims, float32(input.data));
  expectClose(y.data, float32(readNpy(`${folder}/output.npy`).data), { absolute: 1e-4 }, 'logits');
});

goldenTest(
  'ResNet-20 with the trained weights of akamaster, by their names, equals their export',
  async () => {
    const weights = new Map<string, Tensor>();
    for (const [name, { dims, data }] of readSafetensors(
      sharedFile('checkpoints/derived/resnet20_cifar10.safetensors'),
    ))
      weights.set(name, Tensor.float32(dims, float32(data)));
    const model = buildModel('resnet20');
    fill(model, weights);
    const exported = decodeModel(readFileSync(sharedFile('checkpoints/derived/resnet20_cifar10_bn.onnx')));
    const x = normals(16 * 3 * 32 * 32, 5);
    const y = await run(model, [16, 3, 32, 32], x);
    const expected = await run(exported, [16, 3, 32, 32], x);
    expectClose(y.data, expected.data, { absolute: 1e-4 }, 'logits');
  },
);
