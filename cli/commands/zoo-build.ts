import { command } from '../command.js';
import { integer, number, oneOf, text, toggle } from '../flags.js';
import { GROUPS } from '../groups.js';
import { dataFlags, output } from '../shared-flags.js';

const group = GROUPS.model;

export const zooBuild = command({
  name: 'zoo build',
  describe: 'Build a network, with random weights or those of a file, and write it as ONNX',
  positionals: [{ name: 'arch', describe: 'a name of reparam zoo list' }],
  flags: {
    out: output,
    width: {
      kind: number({ above: 0, atMost: 16 }),
      describe: 'Channel multiplier [default: as published]',
      maybe: true,
      group,
    },
    size: {
      kind: integer(1, { most: 4096 }),
      describe: 'Side of the input, pixels [default: as published]',
      maybe: true,
      group,
    },
    classes: {
      kind: integer(1, { most: 100_000 }),
      describe: 'Classes [default: as published]',
      maybe: true,
      group,
    },
    stem: {
      kind: oneOf('imagenet', 'cifar'),
      describe: 'MobileNetV2: strides of the first layers [default: imagenet]',
      maybe: true,
      group,
    },
    shortcut: {
      kind: oneOf('A', 'B', 'C'),
      describe:
        'ResNets: where dims change pad channels with zeros (A) or project by a convolution (B); project in every block (C, ImageNet networks) [default: A for CIFAR, B for ImageNet]',
      maybe: true,
      group,
    },
    variant: {
      kind: oneOf('v1', 'v1.5'),
      describe:
        'ImageNet ResNets from 50 layers: stride in the first 1x1 or in the 3x3 convolution [default: v1.5]',
      maybe: true,
      group,
    },
    zeroGamma: {
      kind: toggle,
      describe: 'ImageNet ResNets: the last BatchNormalization scale of each block starts at 0',
      default: false,
      group,
    },
    aux: {
      kind: toggle,
      describe: 'GoogLeNet: with the auxiliary classifiers, outputs aux1 and aux2',
      default: false,
      group,
    },
    weights: {
      kind: text('FILE', 'a file of weights'),
      describe:
        'Weights: safetensors, PyTorch (.pt, .pth) or Keras (.h5, .weights.h5, .keras) [default: random ones]',
      maybe: true,
      group,
    },
    source: {
      kind: oneOf('torchvision', 'timm', 'timm-tf', 'keras', 'zoo'),
      describe:
        "Who named the weights; timm-tf: timm's ports whose names begin with tf_ [default: told from the names]",
      maybe: true,
      group,
    },
    preprocess: {
      ...dataFlags.preprocess,
      describe: "How pixels become the input, in place of the network's usual way",
      group,
    },
    seed: { kind: integer(0), describe: 'Seed of the weights', default: 0, group },
  },
  examples: [
    ['zoo build mobilenetv2 --width 0.5 -o net.onnx', 'half the channels, random weights'],
    [
      'zoo build resnet50 --weights resnet50-0676ba61.pth -o net.onnx',
      "a published checkpoint's weights (docs/weights.md)",
    ],
  ],
  run: async ({ arch, out, weights, source, preprocess, ...chosen }) => {
    const { width, size, classes, stem, shortcut, variant, zeroGamma, aux, seed } = chosen;
    const { buildFromWeights, buildModel, findEntry } = await import('../../src/zoo/index.js');
    const { countModel, saveModel } = await import('../../src/onnx/index.js');
    const { count, short } = await import('../../src/report/format.js');
    const options = {
      seed,
      ...(width !== undefined && { width }),
      ...(size !== undefined && { size }),
      ...(classes !== undefined && { classes }),
      ...(stem !== undefined && { stem }),
      ...(shortcut !== undefined && { shortcut }),
      ...(variant !== undefined && { variant }),
      ...(zeroGamma && { zeroGamma }),
      ...(aux && { aux }),
    };
    if (source !== undefined && weights === undefined) {
      const { UsageError } = await import('../../src/base/errors.js');
      throw new UsageError({
        problem: '--source says who named weights, but there are none',
        expected: '--weights FILE',
      });
    }
    const built =
      weights === undefined
        ? { model: buildModel(arch, options), naming: null }
        : await buildFromWeights(arch, options, weights, source);
    if (preprocess !== undefined) {
      const { resolvePreprocess } = await import('../../src/finetune/run/resolve.js');
      const { PREPROCESS_KEY } = await import('../../src/base/preprocess.js');
      const how = await resolvePreprocess(built.model, preprocess);
      built.model.metadata.set(PREPROCESS_KEY, JSON.stringify(how));
    }
    await saveModel(built.model, out);
    const { parameters, multAdds } = countModel(built.model);
    const { name } = findEntry(arch);
    const origin =
      weights === undefined
        ? 'with random weights'
        : `with the weights of ${weights} (names as ${built.naming} has them)`;
    return {
      json: { arch: name, file: out, parameters, multAdds, weights: weights ?? null, naming: built.naming },
      text: `${out}: ${name} ${origin}, ${count(parameters)} parameters, ${short(multAdds)} mult-adds`,
    };
  },
});
