import { memoryText } from '../base/bytes.js';
import type { TrainReport } from '../finetune/train.js';
import { count } from './format.js';
import { groupLines } from './groups-text.js';
import { evaluationText } from './progress.js';

/** A training run's report as text. */
export function trainText(report: TrainReport): string {
  const { data, stepMilliseconds, stepMemory } = report;
  return [
    evaluationText(`${report.model}, ${report.epochs} epochs`, null, report.results.trained),
    `data    ${data.coincide ? `${data.train} (train and eval: these say nothing about new images)` : `${data.train} → ${data.eval}`}, ${data.how}`,
    `engine  ${report.engine}, ${report.lowering} lowering, seed ${report.seed}`,
    ...groupLines(report.groups).map((line) => `group   ${line}`),
    `step    ${(stepMilliseconds.median / 1000).toFixed(3)} s median of ${count(stepMilliseconds.count)}, about ${memoryText(stepMemory.total)} of memory`,
    `file    ${report.files.trained}`,
  ].join('\n');
}
