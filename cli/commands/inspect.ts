import { UsageError } from '../../src/base/errors.js';
import { OPTIM_DEFAULTS, REFOCUS_DEFAULTS } from '../../src/finetune/options.js';
import type { CountOptions, Model, ModelCount } from '../../src/onnx/index.js';
import type { ZooOptions } from '../../src/zoo/index.js';
import { type Context, command, type Outcome } from '../command.js';
import {
  type Flag,
  flagName,
  integer,
  type MaybeFlag,
  oneOf,
  text,
  texts,
  toggle,
  type Values,
} from '../flags.js';
import { GROUPS } from '../groups.js';
import { imageSize } from '../image-size.js';
import { formFlag } from '../method-flags.js';
import { optimFlags, runFlags } from '../shared-flags.js';
import { givenZooOptions, zooFlags } from '../zoo-flags.js';

const step = { group: GROUPS.training } as const;

/** A training option that means something with `--train-step` only; its default is that of training. */
function ofStep<T>({ default: _, ...flag }: Flag<T>): MaybeFlag<T> {
  return { ...flag, ...step, maybe: true };
}

const stepFlags = {
  lowering: ofStep(runFlags.lowering),
  momentum: ofStep(optimFlags.momentum),
  nesterov: ofStep(optimFlags.nesterov),
  weightDecay: ofStep(optimFlags.weightDecay),
  decayAll: ofStep(optimFlags.decayAll),
  labelSmoothing: ofStep(optimFlags.labelSmoothing),
  bn: ofStep(optimFlags.bn),
  dropout: ofStep(optimFlags.dropout),
  form: ofStep(formFlag),
  create: {
    kind: toggle,
    describe: 'Also make the session of the runtime, and time it',
    maybe: true,
    ...step,
  },
  out: {
    kind: text('FILE', 'a file name'),
    describe: 'Write the graph of the step, for Netron or another runtime',
    alias: 'o',
    maybe: true,
    group: GROUPS.output,
  },
} as const;

/** `--image` says the size. */
const { size: _, ...networkFlags } = zooFlags;

/** What only the list of layers has. */
const layerFlags = {
  layers: {
    kind: texts('GLOB', 'a pattern'),
    describe: 'Only the layers that are named so, and their totals; may be given several times',
    default: [],
    group: GROUPS.model,
  },
  html: {
    kind: text('FILE', 'a file name'),
    describe: 'Also write a picture of the graph: one HTML page that needs no network',
    maybe: true,
    group: GROUPS.output,
  },
} as const;

const flags = {
  batch: {
    kind: integer(1, { most: 1_000_000_000 }),
    describe: `Images to count for [default: 1; with --train-step ${OPTIM_DEFAULTS.batch}, as train]`,
    maybe: true,
    group: GROUPS.model,
  },
  image: {
    kind: imageSize,
    describe: 'Size of the images, pixels, where the model takes any [default: its own]',
    maybe: true,
    group: GROUPS.model,
  },
  ...networkFlags,
  ...layerFlags,
  trainStep: {
    kind: toggle,
    describe: 'The training step instead: operators, state, memory; built, not run',
    default: false,
    ...step,
  },
  ...stepFlags,
  format: {
    kind: oneOf('text', 'markdown', 'csv'),
    describe: 'How the table is written',
    default: 'text',
    group: GROUPS.output,
  },
  csv: {
    kind: toggle,
    describe: 'The same as --format csv: the table alone, whole numbers, for a spreadsheet',
    default: false,
    group: GROUPS.output,
  },
} as const;

/** Of the command, without the options of a network of the zoo. */
type Args = Omit<Values<typeof flags> & { readonly model: string }, keyof typeof networkFlags>;

export const inspect = command({
  name: 'inspect',
  describe: 'Layers of a model with output shapes, parameters, mult-adds, connections, and its memory',
  positionals: [{ name: 'model', describe: 'an ONNX file, or a name of reparam zoo list' }],
  flags,
  examples: [
    ['inspect net.onnx', 'one row per layer, totals below'],
    ['inspect resnet50 --batch 10 --image 320', 'a network of the zoo, for ten images of 320×320'],
    ["inspect resnet34 --layers 'layer1.*' --batch 10", 'one stage, with the totals that torchinfo prints'],
    ['inspect googlenet --aux', 'with its auxiliary classifiers; other networks have other options'],
    ['inspect net.onnx --csv > layers.csv', 'for a spreadsheet'],
    ['inspect net.onnx --html net.html', 'a picture of the graph, to open in a browser'],
    ['inspect resnet50 --train-step --batch 16', 'what train will run, and what it needs of memory'],
    ['inspect training.onnx --train-step -o step.onnx', 'the graph of a refocusing step, for Netron'],
  ],
  notes: ['Training options are for --train-step, with the defaults of train.'],
  run: ({ width, classes, stem, shortcut, variant, zeroGamma, aux, ...args }, context) => {
    const options = givenZooOptions({ width, classes, stem, shortcut, variant, zeroGamma, aux });
    const { format, csv } = args;
    if (csv && format === 'markdown')
      throw new UsageError({ problem: '--csv and --format markdown exclude each other' });
    const formatted = csv ? { ...args, format: 'csv' as const } : args;
    const inspectIt = args.trainStep ? inspectTraining : inspectLayers;
    return inspectIt(formatted, options, context);
  },
});

async function inspectLayers(args: Args, options: ZooOptions, context: Context): Promise<Outcome> {
  const { model: name, batch = 1, format, image, layers, html } = args;
  refuseStray(args, stepFlags, 'is for the training step', 'add --train-step');
  const { inspectHeader, inspectJson, inspectTable } = await import('../../src/report/inspect.js');
  const { inspected } = await import('../inspected.js');
  const { model, inputShapes } = await inspected(name, context, {
    batch,
    options,
    ...(image && { image }),
  });
  const counted = await counts(model, { batch, ...(inputShapes && { inputShapes }) }, layers);
  if (html !== undefined) {
    const { writePicture } = await import('../../src/report/picture.js');
    await writePicture(html, name, model, counted);
  }
  const table = inspectTable(counted, format, context.columns);
  const written = html === undefined ? '' : `\n\n${html}: a picture of the graph`;
  return {
    json: { ...inspectJson(model, counted), ...(html !== undefined && { html }) },
    text: format === 'text' ? `${name}: ${inspectHeader(model)}\n\n${table}${written}` : table,
  };
}

async function counts(model: Model, options: CountOptions, globs: readonly string[]): Promise<ModelCount> {
  const { countModel } = await import('../../src/onnx/index.js');
  const { globMatcher, readForm } = await import('../../src/reparam/index.js');
  const frozen = new Set(readForm(model)?.layers.map((l) => l.base));
  return countModel(model, {
    ...options,
    role: (v) => (frozen.has(v) ? 'frozen' : undefined),
    ...(globs.length > 0 && { layers: globMatcher(globs) }),
  });
}

async function inspectTraining(args: Args, options: ZooOptions, context: Context): Promise<Outcome> {
  refuseStray(
    args,
    layerFlags,
    'is for the layers of a model',
    'write the step with -o and inspect that file',
  );
  const { inspectStep } = await import('../../src/finetune/inspect-step.js');
  const { stepJson, stepTable } = await import('../../src/report/inspect-step.js');
  const { trained } = await import('../inspected.js');
  const { model: name, format, trainStep: _, create = false, out, ...training } = args;
  const { image } = training;
  const inspection = await inspectStep(await trained(name, context, { options, ...(image && { image }) }), {
    ...OPTIM_DEFAULTS,
    form: REFOCUS_DEFAULTS.form,
    lowering: REFOCUS_DEFAULTS.lowering,
    create,
    ...training,
  });
  if (out !== undefined) {
    const { saveModel } = await import('../../src/onnx/index.js');
    await saveModel(inspection.step.model, out);
  }
  const json = stepJson(inspection);
  const table = stepTable(json, format);
  const written = out === undefined ? '' : `\n\n${out}: the graph of the step`;
  return { json, text: format === 'text' ? `${name}: a training step\n\n${table}${written}` : table };
}

/** Options that mean nothing in this mode. @throws UsageError naming the first that is given */
function refuseStray(args: Args, flags: object, why: string, hint: string): void {
  const given: Readonly<Record<string, unknown>> = args;
  const stray = Object.keys(flags).find((key) => {
    const value = given[key];
    return Array.isArray(value) ? value.length > 0 : value !== undefined;
  });
  if (stray !== undefined) throw new UsageError({ problem: `--${flagName(stray, {})} ${why}`, hint });
}
