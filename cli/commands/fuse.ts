import { REFOCUS_DEFAULTS } from '../../src/finetune/options.js';
import { command } from '../command.js';
import { number, toggle } from '../flags.js';
import { GROUPS } from '../groups.js';
import { readModel } from '../read-model.js';
import { output } from '../shared-flags.js';

const group = GROUPS.method;

export const fuse = command({
  name: 'fuse',
  describe: 'Fold the training-time structure away: a model with the operators it had before expand',
  positionals: [{ name: 'model', describe: 'an ONNX file' }],
  flags: {
    out: output,
    foldBatchnorm: {
      kind: toggle,
      describe: "Fold also the model's own BatchNormalization into its convolutions",
      default: false,
      group,
    },
    verify: {
      kind: toggle,
      describe: 'Write without running both models first to see that they agree',
      default: true,
      negative: true,
      group,
    },
    tolerance: {
      kind: number({ above: 0, below: 1 }),
      describe: 'Largest error of that check, relative to the scale of each output',
      default: REFOCUS_DEFAULTS.tolerance,
      group,
    },
  },
  examples: [
    ['fuse training.onnx -o fused.onnx', 'checked against training.onnx, then written'],
    ['fuse repvgg.onnx -o deploy.onnx', 'its three branches become one 3×3 convolution per block'],
    ['fuse net.onnx -o folded.onnx --fold-batchnorm', 'any model: fold its BatchNormalization'],
  ],
  notes: [
    'Exit code 1: the fused model is not equivalent; nothing is written.',
    'Parallel branches between one value and one sum (RepVGG, MobileOne, ACNet) become one convolution, their BatchNormalization included.',
    'A model with nothing to fold is written as it is, without that check.',
  ],
  run: async ({ model: file, out, foldBatchnorm, verify: check, tolerance }, context) => {
    const { saveModel } = await import('../../src/onnx/index.js');
    const { fuse: fuseModel } = await import('../../src/reparam/index.js');
    const { fuseText } = await import('../../src/report/fuse-text.js');
    const model = await readModel(file, context);
    const fused = fuseModel(model, { foldBatchNorm: foldBatchnorm });
    // A model with nothing to fold is written as it was read.
    const verified = check && fused.modified ? await checked(file, model, fused.model, tolerance) : null;
    await saveModel(fused.model, out);
    const { modified, weights, batchNorms, branches, kept } = fused;
    return {
      json: { file: out, modified, weights, batchNorms, branches, kept, verify: verified },
      text: fuseText(out, fused, verified),
    };
  },
});

type Model = import('../../src/onnx/index.js').Model;

/** @throws CheckFailedError where the two differ */
async function checked(file: string, model: Model, fused: Model, tolerance: number) {
  const { CheckFailedError } = await import('../../src/base/errors.js');
  const { verify } = await import('../../src/reparam/index.js');
  const { createEngine } = await import('../../src/runtime/index.js');
  const engine = await createEngine();
  try {
    const report = await verify(model, fused, engine, { tolerance });
    if (!report.equivalent)
      throw new CheckFailedError({
        problem: `${file}: the fused model is not equivalent, so it was not written`,
        found: report.problems.join('; '),
        hint: `${Number.isFinite(report.maxRelative) ? '--tolerance allows more; ' : ''}--no-verify writes it in any case`,
      });
    return report;
  } finally {
    await engine.close();
  }
}
