import { readFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { decodeModel } from '../../src/onnx/codec/decode.js';
import { type Model, Tensor } from '../../src/onnx/index.js';
import { buildModel, MOBILENETV2_STAGES, mobileNetV2, mobileNetV3, resNet } from '../../src/zoo/index.js';
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
  fill(
    model,
    exportedWeights(`${folder}/script17_evalbn.onnx`, (name) => name),
  );
  await expectGoldenOutput(folder, model);
});

/** Weights of an exported golden, under the zoo's names. */
function exportedWeights(file: string, rename: (name: string) => string): Map<string, Tensor> {
  const weights = new Map<string, Tensor>();
  for (const { name, initializer } of decodeModel(readFileSync(file)).graph.initializers)
    if (initializer && /\.(weight|bias|running_mean|running_var)$/.test(name))
      weights.set(rename(name), initializer);
  return weights;
}

async function expectGoldenOutput(folder: string, model: Model): Promise<void> {
  const input = readNpy(`${folder}/input.npy`);
  const y = await run(model, input.dims, float32(input.data));
  // The tolerance of the goldens' README.
  expectClose(y.data, float32(readNpy(`${folder}/output.npy`).data), { absolute: 1e-4 }, 'logits');
}

// The narrow ResNets number their blocks through; every stage has two.
const narrowName = (name: string): string =>
  name.replace(
    /^layers\.(\d+)\./,
    (_, n: string) => `layer${Math.floor(Number(n) / 2) + 1}.${Number(n) % 2}.`,
  );

const stages = (...channels: number[]) => channels.map((c) => ({ channels: c, blocks: 2 }));

describe('narrow variants with weights of PyTorch give its outputs', () => {
  goldenTest('ResNet of basic blocks', async () => {
    const folder = golden('onnx-export', 'resnet18_narrow');
    const model = resNet(18, { size: 48, classes: 10, stages: stages(6, 12, 24, 24) });
    fill(model, exportedWeights(`${folder}/script17_evalbn.onnx`, narrowName));
    await expectGoldenOutput(folder, model);
  });

  goldenTest('ResNet of bottlenecks', async () => {
    const folder = golden('onnx-export', 'resnet_bottleneck');
    const model = resNet(50, { size: 48, classes: 10, stages: stages(6, 12, 18) });
    fill(model, exportedWeights(`${folder}/script17_evalbn.onnx`, narrowName));
    await expectGoldenOutput(folder, model);
  });

  goldenTest('MobileNetV3', async () => {
    const folder = golden('onnx-export', 'mobilenet_v3_small');
    // The generator's: eight blocks of other figures, width 0.25, a 48-channel last layer.
    const blocks = (
      [
        [3, 16, 16, true, 'RE', 2],
        [3, 72, 24, false, 'RE', 2],
        [3, 88, 24, false, 'RE', 1],
        [5, 96, 40, true, 'HS', 2],
        [5, 240, 40, true, 'HS', 1],
        [5, 120, 48, true, 'HS', 1],
        [5, 288, 96, true, 'HS', 2],
        [5, 576, 96, true, 'HS', 1],
      ] as const
    ).map(([kernel, expanded, out, se, activation, stride]) => ({
      kernel,
      expanded,
      out,
      se,
      activation,
      stride,
    }));
    const model = mobileNetV3('small', { width: 0.25, size: 48, classes: 10, lastChannels: 48, blocks });
    fill(
      model,
      exportedWeights(`${folder}/script17_train.onnx`, (name) => name),
    );
    await expectGoldenOutput(folder, model);
  });
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
