import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { runEvaluate } from '../../src/finetune/evaluate.js';
import { DATA_DEFAULTS, OPTIM_DEFAULTS, REFOCUS_DEFAULTS } from '../../src/finetune/options.js';
import { runRefocus } from '../../src/finetune/refocus.js';
import { loadModel, type Model } from '../../src/onnx/index.js';
import { constantOf } from '../../src/reparam/index.js';
import { goldenTest, sharedFile } from '../support/goldens.js';

/** Networks that other people trained, on real images; DATA.md of the goldens says how they were measured. */
const folder = mkdtempSync(join(tmpdir(), 'reparam-real-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const cifar = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const imagenetColours = join(folder, 'imagenet-colours.json');
writeFileSync(
  imagenetColours,
  JSON.stringify({
    ...cifar,
    size: 32,
    resize: null,
    crop: 'none',
    interpolation: 'bilinear',
    scale: 1 / 255,
    channels: 'RGB',
    labelOffset: 0,
  }),
);

const silent = (): void => undefined;
const evaluate = (model: string, data: string, preprocess: string): ReturnType<typeof runEvaluate> =>
  runEvaluate(
    {
      ...DATA_DEFAULTS,
      model: sharedFile('checkpoints', model),
      data,
      preprocess,
      batch: 100,
      device: 'cpu',
      allowSoftware: false,
    },
    silent,
  );

/** What a deployed file is made of. */
function structure({ graph, opsets, irVersion }: Model): unknown {
  return {
    nodes: graph.nodes.map((n) => [
      n.name,
      n.opType,
      n.inputs.map((v) => v?.name),
      n.outputs.map((v) => v.name),
    ]),
    initializers: [...graph.initializers].map((v) => [v.name, constantOf(v)?.dims, constantOf(v)?.dataType]),
    inputs: graph.inputs.map((v) => [v.name, v.type?.kind === 'tensor' ? v.type.shape : undefined]),
    outputs: graph.outputs.map((v) => [v.name, v.type?.kind === 'tensor' ? v.type.shape : undefined]),
    opsets: [...opsets],
    irVersion,
  };
}

describe('accuracy as measured elsewhere', () => {
  goldenTest('ResNet-20 on CIFAR-10, to the image', async () => {
    const report = await evaluate(
      'derived/resnet20_cifar10_bn.onnx',
      `cifar10:${sharedFile('data/cifar10')}`,
      imagenetColours,
    );
    expect(report).toMatchObject({ correct: 9173, images: 10_000, skipped: 0 });
  });

  goldenTest('ResNet-32 with its BN folded and its batch fixed at 1, to the image', async () => {
    const report = await evaluate(
      'resnet-cifar10-onnx/resnet32_cifar10_pre.onnx',
      `cifar10:${sharedFile('data/cifar10')}`,
      'cifar10',
    );
    expect(report).toMatchObject({ correct: 9264, images: 10_000, skipped: 0 });
  });

  goldenTest('MobileNetV1 on photographs, within three images', async () => {
    const report = await evaluate(
      'derived/mobilenet_v1_075_224.onnx',
      `list:${sharedFile('data/imagenet-samples/list.tsv')}`,
      'tf',
    );
    expect(report.images).toBe(500);
    // JPEG decoders differ by a level here and there.
    expect(Math.abs(report.correct - 416)).toBeLessThanOrEqual(3);
    expect(Math.abs((report.top5 ?? 0) * 500 - 473)).toBeLessThanOrEqual(3);
  });
});

async function refocus(model: string, data: string, preprocess: string, batch: number): Promise<void> {
  const path = sharedFile('checkpoints', model);
  const report = await runRefocus(
    {
      ...OPTIM_DEFAULTS,
      ...DATA_DEFAULTS,
      ...REFOCUS_DEFAULTS,
      model: path,
      data,
      preprocess,
      batch,
      epochs: 1,
      lr: 0.001,
      control: false,
      out: join(mkdtempSync(join(folder, 'run-')), 'run'),
    },
    silent,
  );
  expect(report.verify).toMatchObject({ equivalent: true, problems: [], top1Agreement: 1 });
  expect(report.frozen.sha256After).toBe(report.frozen.sha256Before);
  const [before, after] = await Promise.all([loadModel(path), loadModel(report.files.fused)]);
  expect(structure(after)).toEqual(structure(before));
}

describe('refocused and fused, with the structure they came with', () => {
  goldenTest('ResNet-32: folded BN is put back, trained and folded again; the batch stays 1', async () => {
    await refocus(
      'resnet-cifar10-onnx/resnet32_cifar10_pre.onnx',
      'shapes:size=32,train=64,eval=32',
      'cifar10',
      16,
    );
  });

  goldenTest('MobileNetV2 from tf2onnx: explicit Pad, most BN folded, a trailing Softmax', async () => {
    for (let c = 0; c < 5; c++) {
      mkdirSync(join(folder, 'flowers', `${c}`), { recursive: true });
      for (let i = 0; i < 5; i++) {
        const random = randomFor('flower', c, i);
        const tiny = Uint8Array.from({ length: 8 * 8 * 3 }, () => random.int(256));
        const image = sharp(tiny, { raw: { width: 8, height: 8, channels: 3 } }).resize(150, 140);
        await image.jpeg().toFile(join(folder, 'flowers', `${c}`, `${i}.jpg`));
      }
    }
    const model = 'mobilenet_v2_035_128-flowers/mobilenet_v2_0.35_128_tfs_channel_first.onnx';
    await refocus(model, `imagefolder:${join(folder, 'flowers')}`, 'tf', 4);
  });
});
