import { REFOCUS_DEFAULTS, type RefocusOptions, startingRate } from '../../src/finetune/options.js';
import { command } from '../command.js';
import { autoOr, type FlagsFor, integer, number, text, toggle } from '../flags.js';
import { GROUPS } from '../groups.js';
import { formFlag, methodFlags } from '../method-flags.js';
import { recordedRun, runFolder } from '../run-folder.js';
import { dataFlags, optimFlags, outFolder, rateFlag, runFlags } from '../shared-flags.js';

const method = { group: GROUPS.method } as const;

const flags = {
  model: {
    kind: text('NAME|FILE', 'a zoo name or an ONNX file'),
    describe: 'What to refocus: a name of reparam zoo list that comes trained, or an ONNX file',
    required: true,
    group: GROUPS.model,
  },
  ...dataFlags,
  lr: rateFlag('refocus'),
  ...optimFlags,
  warmupEpochs: { ...optimFlags.warmupEpochs, default: REFOCUS_DEFAULTS.warmupEpochs },
  ...runFlags,
  out: outFolder,
  ...methodFlags,
  mapLr: {
    kind: autoOr(number({ above: 0 })),
    describe:
      'Factor on the learning rate of the maps; auto: no step moves a kernel farther than plain training, 1: as published',
    default: REFOCUS_DEFAULTS.mapLr,
    ...method,
  },
  form: formFlag,
  control: {
    kind: toggle,
    describe: 'Skip the equal-budget control (the same epochs with plain convolutions)',
    default: REFOCUS_DEFAULTS.control,
    negative: true,
    ...method,
  },
  baselineEpochs: {
    kind: integer(0),
    describe: 'Train an untrained base first, this many epochs',
    default: REFOCUS_DEFAULTS.baselineEpochs,
    ...method,
  },
  tolerance: {
    kind: number({ above: 0, below: 1 }),
    describe: 'Largest relative difference between training form and fused model',
    default: REFOCUS_DEFAULTS.tolerance,
    ...method,
  },
} as const satisfies FlagsFor<
  Omit<RefocusOptions, 'out' | 'lr'> & { readonly out?: string; readonly lr?: number }
>;

export const refocus = command({
  name: 'refocus',
  describe: 'The main job: load, expand, train, fuse, verify and report, beside an equal-budget control',
  positionals: [],
  flags,
  examples: [
    ['refocus --model mobilenetv2', 'the built-in checkpoint on drawn shapes; proves the pipeline'],
    [
      'refocus --model net.onnx --data imagefolder:DIR --preprocess imagenet',
      'a model and images of your own',
    ],
    [
      'refocus --model net.onnx --train list:t.tsv --eval list:v.tsv -o runs/a --resume',
      'go on with a stopped run',
    ],
  ],
  notes: [
    'Exit code 1: the fused model differs from the training form, or there is no convolution to swap.',
    'The run folder holds baseline.onnx, training.onnx, fused.onnx, checkpoint/, metrics.jsonl and report.json.',
  ],
  run: async (args, context) => {
    const options: RefocusOptions = {
      ...args,
      lr: args.lr ?? startingRate(args.optimizer, 'refocus'),
      out: args.out ?? runFolder('refocus', args.model, args.resume),
    };
    const { runRefocus } = await import('../../src/finetune/refocus.js');
    const { refocusText } = await import('../../src/report/refocus-table.js');
    const listener = await recordedRun(options.out, context);
    const report = await runRefocus(options, listener, context.signal);
    return { json: report, text: refocusText(report), exitCode: report.verify.equivalent ? 0 : 1 };
  },
});
