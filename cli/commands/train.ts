import { startingRate, type TrainOptions } from '../../src/finetune/options.js';
import { command } from '../command.js';
import { type FlagsFor, text } from '../flags.js';
import { GROUPS } from '../groups.js';
import { recordedRun, runFolder } from '../run-folder.js';
import { dataFlags, optimFlags, outFolder, rateFlag, runFlags } from '../shared-flags.js';
import { zooFlags } from '../zoo-flags.js';

const flags = {
  model: {
    kind: text('NAME|FILE', 'a zoo name or an ONNX file'),
    describe: 'What to train: a name of reparam zoo list (from random weights), or an ONNX file',
    required: true,
    group: GROUPS.model,
  },
  width: zooFlags.width,
  size: zooFlags.size,
  classes: zooFlags.classes,
  stem: zooFlags.stem,
  ...dataFlags,
  lr: rateFlag('train'),
  ...optimFlags,
  ...runFlags,
  out: outFolder,
} as const satisfies FlagsFor<
  Omit<TrainOptions, 'out' | 'lr'> & { readonly out?: string; readonly lr?: number }
>;

export const train = command({
  name: 'train',
  describe: 'Train a plain network: a baseline',
  positionals: [],
  flags,
  examples: [
    ['train --model resnet20 --data cifar10:DIR --epochs 30', 'a baseline on CIFAR-10'],
    ['train --model net.onnx --data imagefolder:DIR --lr 0.01', 'fine-tune a model of your own'],
  ],
  notes: ['The run folder holds the trained model, checkpoint/, metrics.jsonl and report.json.'],
  run: async (args, context) => {
    const options: TrainOptions = {
      ...args,
      lr: args.lr ?? startingRate(args.optimizer, 'train'),
      out: args.out ?? runFolder('train', args.model, args.resume),
    };
    const { runTrain } = await import('../../src/finetune/train.js');
    const listener = await recordedRun(options.out, context);
    const report = await runTrain(options, listener, context.signal);
    const { trainText } = await import('../../src/report/train-text.js');
    return { json: report, text: trainText(report) };
  },
});
