import { command } from '../command.js';
import { integer, number, oneOf, toggle } from '../flags.js';
import { GROUPS } from '../groups.js';
import { output } from '../shared-flags.js';

const group = GROUPS.model;

export const zooBuild = command({
  name: 'zoo build',
  describe: 'Build a network with random weights and write it as ONNX',
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
    seed: { kind: integer(0), describe: 'Seed of the weights', default: 0, group },
  },
  examples: [['zoo build mobilenetv2 --width 0.5 -o net.onnx', 'half the channels, random weights']],
  run: async ({ arch, out, width, size, classes, stem, shortcut, variant, zeroGamma, aux, seed }) => {
    const { buildModel, findEntry } = await import('../../src/zoo/index.js');
    const { countModel, saveModel } = await import('../../src/onnx/index.js');
    const { count, short } = await import('../../src/report/format.js');
    const model = buildModel(arch, {
      seed,
      ...(width !== undefined && { width }),
      ...(size !== undefined && { size }),
      ...(classes !== undefined && { classes }),
      ...(stem !== undefined && { stem }),
      ...(shortcut !== undefined && { shortcut }),
      ...(variant !== undefined && { variant }),
      ...(zeroGamma && { zeroGamma }),
      ...(aux && { aux }),
    });
    await saveModel(model, out);
    const { parameters, multAdds } = countModel(model);
    return {
      json: { arch: findEntry(arch).name, file: out, parameters, multAdds },
      text: `${out}: ${findEntry(arch).name} with random weights, ${count(parameters)} parameters, ${short(multAdds)} mult-adds`,
    };
  },
});
