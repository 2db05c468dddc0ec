import { command } from '../command.js';
import { integer, oneOf, text } from '../flags.js';
import { GROUPS } from '../groups.js';
import { dataFlags, output } from '../shared-flags.js';
import { givenZooOptions, zooFlags } from '../zoo-flags.js';

const group = GROUPS.model;

export const zooBuild = command({
  name: 'zoo build',
  describe: 'Build a network, with random weights or those of a file, and write it as ONNX',
  positionals: [{ name: 'arch', describe: 'a name of reparam zoo list' }],
  flags: {
    out: output,
    ...zooFlags,
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
    ['zoo build googlenet --aux --classes 10 -o net.onnx', 'with its auxiliary classifiers, for ten classes'],
    [
      'zoo build resnet50 --weights resnet50-0676ba61.pth -o net.onnx',
      "a published checkpoint's weights (docs/weights.md)",
    ],
  ],
  run: async ({ arch, out, weights, source, preprocess, seed, ...chosen }) => {
    const options = { seed, ...givenZooOptions(chosen) };
    const { buildFromWeights, buildModel, findEntry, namingText } = await import('../../src/zoo/index.js');
    const { countModel, saveModel } = await import('../../src/onnx/index.js');
    const { count, short } = await import('../../src/report/format.js');
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
        : `with the weights of ${weights} (names as ${namingText(built.naming ?? 'zoo')} has them)`;
    return {
      json: { arch: name, file: out, parameters, multAdds, weights: weights ?? null, naming: built.naming },
      text: `${out}: ${name} ${origin}, ${count(parameters)} parameters, ${short(multAdds)} mult-adds`,
    };
  },
});
