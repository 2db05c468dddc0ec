import { countModel, type Model, sizeOf } from '../../onnx/index.js';
import type { TrainingForm } from '../../reparam/index.js';
import type { RefocusOptions } from '../options.js';
import type { Evaluation, RefocusReport } from '../results.js';
import type { FrozenCheck } from './frozen.js';
import { versions } from './record.js';
import { median } from './trainer.js';
import type { VerifiedRun } from './verify-run.js';
import type { TrainedModel, Workbench } from './workbench.js';

/** What a refocusing run made and measured. */
export interface RefocusOutcome {
  readonly files: RefocusReport['files'];
  readonly baseline: Evaluation;
  readonly base: RefocusReport['base'];
  readonly form: TrainingForm;
  readonly trained: TrainedModel;
  /** Factors on the learning rate of each map. */
  readonly rates: ReadonlyMap<string, number>;
  /** Read back from the files. */
  readonly written: { readonly training: Model; readonly fused: Model };
  readonly verified: VerifiedRun;
  readonly frozen: FrozenCheck;
  /** What is wrong with the files besides what `verified` found; empty when nothing is. */
  readonly problems: readonly string[];
}

export interface ReportInit {
  /** The model, for tables. */
  readonly title: string;
  /** `--data`, where one spec names both sets. */
  readonly spec: string | undefined;
  readonly bench: Workbench;
  readonly options: RefocusOptions;
  readonly outcome: RefocusOutcome;
}

/** `report.json` of a refocusing run. */
export function refocusReport({ title, spec, bench, options, outcome }: ReportInit): RefocusReport {
  const { preprocess } = bench.init;
  const { trained, written, verified, frozen, form, problems } = outcome;
  const { method, init, mapKernel, seed, epochs } = options;
  const counts = { deployed: countModel(written.fused), training: countModel(written.training) };
  const { gram, parameters } = trained.step;
  return {
    model: title,
    base: outcome.base,
    data: bench.summary,
    method,
    init,
    mapKernel,
    optimizer: options.optimizer,
    mapLr: {
      choice: options.mapLr,
      least: Math.min(...outcome.rates.values()),
      most: Math.max(...outcome.rates.values()),
    },
    form: { choice: options.form, gram: gram.length, explicit: form.layers.length - gram.length },
    seed,
    epochs,
    ...bench.device,
    lowering: trained.step.lowering,
    versions: versions(bench.engine.name),
    preprocess,
    options: { ...options },
    groups: trained.groups,
    results: {
      baseline: outcome.baseline,
      control: verified.control,
      training: verified.training,
      fused: verified.fused,
    },
    verify: {
      ...verified.summary,
      equivalent: verified.summary.equivalent && problems.length === 0,
      problems: [...verified.summary.problems, ...problems],
    },
    parameters: {
      deployed: counts.deployed.parameters,
      training: parameters.training,
      storedState: parameters.stored,
      frozen: form.layers.reduce((n, l) => n + sizeOf(l.base.shape ?? []), 0),
    },
    multAdds: {
      deployed: counts.deployed.multAdds,
      training: counts.training.multAdds + counts.training.weightMultAdds,
    },
    stepMilliseconds: { median: median(trained.milliseconds), count: trained.milliseconds.length },
    stepMemory: trained.memory,
    frozen: frozen.report,
    files: outcome.files,
    notes: notesOf(bench, spec),
  };
}

/** What a reader should know before quoting the numbers. */
function notesOf(bench: Workbench, spec: string | undefined): string[] {
  const { coincide, shared, eval: evaluation } = bench.init.sets;
  const notes: string[] = [];
  if (coincide)
    notes.push('training and evaluation images coincide: the accuracies say nothing about new images');
  else if (shared > 0)
    notes.push(`${shared} of ${evaluation.length} evaluation images are training images too`);
  if (spec?.split(':')[0] === 'shapes')
    notes.push('generated images: this run proves the pipeline, not what RefConv gains');
  return notes;
}
