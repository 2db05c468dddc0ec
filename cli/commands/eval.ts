import type { EvalOptions } from '../../src/finetune/options.js';
import { command } from '../command.js';
import { type FlagsFor, integer } from '../flags.js';
import { GROUPS } from '../groups.js';
import { dataFlags, deviceFlags } from '../shared-flags.js';

const { data, eval: evalSet, preprocess, strict, workers } = dataFlags;

const flags = {
  data: { ...data, describe: 'Evaluation set; of a spec with two sets, the evaluation one' },
  eval: { ...evalSet, describe: 'The same, for symmetry with the other commands' },
  preprocess,
  strict,
  workers,
  batch: { kind: integer(1), describe: 'Images per run', default: 64, group: GROUPS.run },
  ...deviceFlags,
} as const satisfies FlagsFor<Omit<EvalOptions, 'model'>>;

export const evaluate = command({
  name: 'eval',
  describe: 'Accuracy of a model on a data set',
  positionals: [{ name: 'model', describe: 'an ONNX file, or a zoo name that comes trained' }],
  flags,
  examples: [['eval net.onnx --data imagefolder:val --preprocess imagenet', 'top-1, top-5 and loss']],
  run: async (args, context) => {
    const { runEvaluate } = await import('../../src/finetune/evaluate.js');
    const { evaluationText } = await import('../../src/report/progress.js');
    const listener = await context.listen();
    const report = await runEvaluate(args, listener, context.signal);
    return {
      json: report,
      text: [
        evaluationText(report.model, null, report),
        `data ${report.data}`,
        `preprocessing ${JSON.stringify(report.preprocess)}`,
      ].join('\n'),
    };
  },
});
