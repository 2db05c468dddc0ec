import { existsSync } from 'node:fs';
import { UsageError } from '../../src/base/errors.js';
import { OPTIM_DEFAULTS, REFOCUS_DEFAULTS } from '../../src/finetune/options.js';
import type { Model } from '../../src/onnx/index.js';
import { type Context, command, type Outcome } from '../command.js';
import { type Flag, flagName, integer, type MaybeFlag, oneOf, text, toggle, type Values } from '../flags.js';
import { GROUPS } from '../groups.js';
import { formFlag } from '../method-flags.js';
import { readModel } from '../read-model.js';
import { optimFlags, runFlags } from '../shared-flags.js';

const step = { group: GROUPS.training } as const;

/** A training option that means something with `--train-step` only; its default is that of training. */
function ofStep<T>({ default: _, ...flag }: Flag<T>): MaybeFlag<T> {
  return { ...flag, ...step, maybe: true };
}

const stepFlags = {
  image: {
    kind: integer(1, { most: 4096 }),
    describe: 'Side of the images, pixels, where the model takes any',
    maybe: true,
    ...step,
  },
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

const flags = {
  batch: {
    kind: integer(1),
    describe: `Images to count for [default: 1; with --train-step ${OPTIM_DEFAULTS.batch}, as train]`,
    maybe: true,
    group: GROUPS.model,
  },
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
} as const;

type Args = Values<typeof flags> & { readonly model: string };

export const inspect = command({
  name: 'inspect',
  describe: 'Layers of a model with output shapes, parameters, mult-adds, connections, and its memory',
  positionals: [
    { name: 'model', describe: 'an ONNX file; with --train-step also a name of reparam zoo list' },
  ],
  flags,
  examples: [
    ['inspect net.onnx', 'one row per layer, totals below'],
    ['inspect net.onnx --format csv > layers.csv', 'for a spreadsheet'],
    ['inspect resnet50 --train-step --batch 16', 'what train will run, and what it needs of memory'],
    ['inspect training.onnx --train-step -o step.onnx', 'the graph of a refocusing step, for Netron'],
  ],
  notes: ['Training options are for --train-step, with the defaults of train.'],
  run: (args, context) => (args.trainStep ? inspectTraining(args, context) : inspectLayers(args, context)),
});

async function inspectLayers(args: Args, context: Context): Promise<Outcome> {
  const { model: file, batch = 1, format } = args;
  const given: Readonly<Record<string, unknown>> = args;
  const stray = Object.keys(stepFlags).find((key) => given[key] !== undefined);
  if (stray !== undefined)
    throw new UsageError({
      problem: `--${flagName(stray, {})} is for the training step`,
      hint: `add --train-step`,
    });
  const { countModel } = await import('../../src/onnx/index.js');
  const { inspectHeader, inspectJson, inspectTable } = await import('../../src/report/inspect.js');
  const { readForm } = await import('../../src/reparam/index.js');
  const model = await readModel(file, context);
  const frozen = new Set(readForm(model)?.layers.map((l) => l.base));
  const counted = countModel(model, { batch, role: (v) => (frozen.has(v) ? 'frozen' : undefined) });
  const table = inspectTable(counted, format);
  return {
    json: inspectJson(model, counted),
    text: format === 'text' ? `${file}: ${inspectHeader(model)}\n\n${table}` : table,
  };
}

async function inspectTraining(args: Args, context: Context): Promise<Outcome> {
  const { inspectStep } = await import('../../src/finetune/inspect-step.js');
  const { stepJson, stepTable } = await import('../../src/report/inspect-step.js');
  const { model: name, format, trainStep: _, create = false, out, image, ...training } = args;
  const inspection = await inspectStep(await trainedModel(name, context), {
    ...OPTIM_DEFAULTS,
    form: REFOCUS_DEFAULTS.form,
    lowering: REFOCUS_DEFAULTS.lowering,
    create,
    ...(image === undefined ? {} : { image }),
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

/** A file, or the network of this name as `train` builds it. */
async function trainedModel(name: string, context: Context): Promise<Model> {
  const { buildModel, plainName, ZOO } = await import('../../src/zoo/index.js');
  const known = ZOO.some((e) => e.name === plainName(name));
  return known && !existsSync(name) ? buildModel(name) : readModel(name, context);
}
