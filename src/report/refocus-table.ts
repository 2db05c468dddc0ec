import { memoryText } from '../base/bytes.js';
import type { Evaluation, RefocusReport } from '../finetune/results.js';
import { count, NONE, percent, short, small } from './format.js';
import { groupLines } from './groups-text.js';
import { renderTable, type Table, type TableFormat } from './table.js';

/** Accuracy of the four models of a run, as rows. */
export function refocusTable(report: RefocusReport): Table {
  const { baseline, control, training, fused } = report.results;
  const row = (name: string, what: string, r: Evaluation | null): string[] => [
    name,
    what,
    r === null ? NONE : percent(r.top1),
    r === null ? NONE : percent(r.top5),
    r === null ? NONE : r.loss.toFixed(4),
    r === null ? NONE : count(r.images),
  ];
  const epochs = `${report.epochs} ${report.epochs === 1 ? 'epoch' : 'epochs'}`;
  return {
    columns: [
      { title: 'model' },
      { title: 'what it is' },
      { title: 'top-1', align: 'right' },
      { title: 'top-5', align: 'right' },
      { title: 'loss', align: 'right' },
      { title: 'images', align: 'right' },
    ],
    rows: [
      row('baseline', report.base.origin, baseline),
      row(
        'control',
        control === null ? 'not run (--no-control)' : `+ ${epochs}, plain convolutions`,
        control,
      ),
      row(
        'training form',
        `+ ${epochs}, ${report.method} ${mapKernel(report)}, ${report.init} init`,
        training,
      ),
      row('fused', 'plain convolutions again', fused),
    ],
  };
}

function mapKernel(report: RefocusReport): string {
  return `${report.mapKernel}×${report.mapKernel}`;
}

function formOf({ form: { gram, explicit } }: RefocusReport): string {
  if (gram === 0) return 'explicit form';
  return explicit === 0 ? 'Gram form' : `Gram form in ${gram} of ${gram + explicit} layers`;
}

function rates({ mapLr, optimizer }: RefocusReport): string {
  if (mapLr.choice !== 'auto') return `${mapLr.choice}`;
  const fit = optimizer === 'sgd' ? '1 ÷ gain of' : 'fitted to';
  return `${fit} each layer (${small(mapLr.least)} to ${small(mapLr.most)})`;
}

/** The facts beside the accuracies: equivalence, sizes, speed, frozen weights, files. */
function facts(report: RefocusReport): Table {
  const { verify, parameters, multAdds, stepMilliseconds, stepMemory, frozen } = report;
  const agreement = verify.top1Agreement === null ? '' : `, top-1 agreement ${percent(verify.top1Agreement)}`;
  const same = frozen.sha256Before === frozen.sha256After;
  const trained = report.data.train;
  const rows: [string, string][] = [
    ['model', [report.model, report.base.network].filter(Boolean).join(', ')],
    ['data', report.data.coincide ? `${trained} (train and eval)` : `${trained} → ${report.data.eval}`],
    ['split', report.data.how],
    ['engine', `${report.engine}, ${report.lowering} lowering`],
    ['seed', String(report.seed)],
    [
      'fused = training form',
      `${verify.equivalent ? 'yes' : 'NO'}: largest relative difference ${small(verify.maxRelative)}${agreement}, ${count(verify.samples)} samples`,
    ],
    ...groupLines(report.groups).map((line): [string, string] => ['group', line]),
    ['maps', `${mapKernel(report)}, ${formOf(report)}, learning rate × ${rates(report)}`],
    [
      'parameters',
      `${short(parameters.deployed)} deployed, ${short(parameters.training)} in training, ${short(parameters.storedState)} stored, ${short(parameters.frozen)} frozen`,
    ],
    ['mult-adds', `${short(multAdds.deployed)} deployed, ${short(multAdds.training)} in training`],
    [
      'training step',
      `${(stepMilliseconds.median / 1000).toFixed(3)} s median of ${count(stepMilliseconds.count)}, about ${memoryText(stepMemory.total)} of memory`,
    ],
    [
      'frozen weights',
      `${frozen.tensors} tensors, sha256 ${frozen.sha256Before.slice(0, 12)} before, ${frozen.sha256After.slice(0, 12)} after: ${same ? 'unchanged' : 'CHANGED'}`,
    ],
    ['files', [report.files.baseline, report.files.training, report.files.fused].join(' ')],
  ];
  return { columns: [{ title: '' }, { title: '' }], rows };
}

/** The whole report as text (or markdown): the table, the facts, and what a reader should know before quoting them. */
export function refocusText(report: RefocusReport, format: Exclude<TableFormat, 'csv'> = 'text'): string {
  const pairs = facts(report);
  const size = Math.max(...pairs.rows.map(([name]) => name.length));
  const beside =
    format === 'text'
      ? pairs.rows.map(([name, value]) => `${name.padEnd(size)}  ${value}`).join('\n')
      : renderTable(pairs, 'markdown');
  const notes = notesOf(report);
  return [
    renderTable(refocusTable(report), format),
    beside,
    ...(notes.length === 0 ? [] : [notes.map((n) => `Note: ${n}`).join('\n')]),
  ].join('\n\n');
}

function notesOf({ notes, verify }: RefocusReport): readonly string[] {
  if (verify.equivalent) return notes;
  const worst = verify.worstNode === null ? '' : `; worst at ${verify.worstNode}`;
  return [...notes, `the fused model differs from the training form${worst}`, ...verify.problems];
}
