import { readFileSync } from 'node:fs';
import { describe } from 'vitest';
import { decodeModel } from '../../src/onnx/codec/decode.js';
import { Tensor } from '../../src/onnx/index.js';
import { buildModel, MOBILENETV2_STAGES, mobileNetV2, mobileNetV3, resNet } from '../../src/zoo/index.js';
import { readSafetensors } from '../support/arrays.js';
import { expectClose } from '../support/close.js';
import { golden, goldenTest, sharedFile } from '../support/goldens.js';
import { expectGoldenOutput, exportedWeights, fill, float32, normals, run } from './support.js';

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
  fill(model, exportedWeights(`${folder}/script17_evalbn.onnx`));
  await expectGoldenOutput(folder, model);
});

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
    fill(model, exportedWeights(`${folder}/script17_train.onnx`));
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
