import { REFOCUS_DEFAULTS } from '../../src/finetune/options.js';
import { command } from '../command.js';
import { integer } from '../flags.js';
import { GROUPS } from '../groups.js';
import { methodFlags } from '../method-flags.js';
import { readModel } from '../read-model.js';
import { output } from '../shared-flags.js';

export const expand = command({
  name: 'expand',
  describe: 'Give convolutions their training-time structure; the result is an ONNX model like any other',
  positionals: [{ name: 'model', describe: 'an ONNX file' }],
  flags: {
    out: output,
    ...methodFlags,
    seed: {
      kind: integer(0),
      describe: 'Seed of --init xavier',
      default: REFOCUS_DEFAULTS.seed,
      group: GROUPS.method,
    },
  },
  examples: [
    ['expand net.onnx -o training.onnx', 'RefConv on every spatial convolution'],
    ["expand net.onnx -o training.onnx --include 'features/*' --map-kernel 5", 'some of them, a larger map'],
  ],
  notes: ['Exit code 1: there is no convolution to swap.'],
  run: async ({ model: file, out, seed, method, mapKernel, init, include, exclude }, context) => {
    const { saveModel } = await import('../../src/onnx/index.js');
    const { expand: expandModel } = await import('../../src/reparam/index.js');
    const result = expandModel(await readModel(file, context), {
      method,
      mapKernel,
      init,
      include,
      exclude,
      seed,
    });
    await saveModel(result.model, out);
    const layers = result.form.layers.map((l) => l.layer);
    return {
      json: { file: out, method, layers, refused: result.refused },
      text: [
        `${out}: ${layers.length} ${layers.length === 1 ? 'convolution has its' : 'convolutions have their'} ${method} structure`,
        ...result.refused.map((r) => `  left alone: ${r.node}: ${r.reason}`),
      ].join('\n'),
    };
  },
});
