import { median } from '../../src/finetune/run/trainer.js';
import { type Column, renderTable, type Table } from '../../src/report/table.js';
import type { Machine } from '../speed/machine.js';
import { type Arguments, SIDES } from './arguments.js';
import type { Curve, GpuMeasurement } from './checks.js';

/** A whole run. */
export interface GpuResults {
  readonly machine: Machine;
  readonly settings: Pick<Arguments, 'steps' | 'warmup' | 'threads' | 'device' | 'peerDevice'>;
  readonly measurements: readonly GpuMeasurement[];
  readonly curves: readonly Curve[];
  readonly problems: readonly string[];
}

/** Images per second of each side. */
export function speedTable(measurements: readonly GpuMeasurement[]): Table {
  return {
    columns: [
      ...left('network', 'training', 'side'),
      ...right('images/s', 'ms/step', 'ours ÷ it', 'card MiB', 'process MiB'),
    ],
    rows: measurements.map((m) => {
      const ours = measurements.find(
        (o) => o.side === 'reparam' && o.title === m.title && o.training === m.training,
      );
      const ms = stepTime(m);
      return [
        m.title,
        m.training,
        SIDES[m.side].title,
        digits((1000 * m.batch) / ms),
        digits(ms),
        ours ? (stepTime(ours) / ms).toFixed(2) : '',
        whole(m.device),
        whole(m.report.peak),
      ];
    }),
  };
}

/** Where the time of our steps goes. */
export function splitTable(measurements: readonly GpuMeasurement[]): Table {
  return {
    columns: [
      ...left('network', 'training'),
      ...right('ms/step', 'kernels', 'dispatches', 'transfers', 'rest', 'core time', 'start s'),
    ],
    rows: measurements.flatMap((m): string[][] => {
      const { split } = m.report;
      if (!split) return [];
      const ms = stepTime(m);
      const kernels = split.kernels?.milliseconds;
      return [
        [
          m.title,
          m.training,
          digits(ms),
          kernels === undefined ? '–' : digits(kernels),
          split.kernels ? `${split.kernels.programs.reduce((sum, p) => sum + p.dispatches, 0)}` : '–',
          digits(split.transfers),
          kernels === undefined ? '–' : digits(ms - kernels - split.transfers),
          digits(split.host),
          split.start.toFixed(1),
        ],
      ];
    }),
  };
}

/** The device's programs that take most of our steps. */
export function kernelTable(measurements: readonly GpuMeasurement[], most: number): Table {
  return {
    columns: [...left('network', 'training', 'program'), ...right('dispatches', 'ms', 'share')],
    rows: measurements.flatMap((m) => {
      const kernels = m.report.split?.kernels;
      return (kernels?.programs ?? [])
        .slice(0, most)
        .map(({ name, dispatches, milliseconds }) => [
          m.title,
          m.training,
          name,
          `${dispatches}`,
          digits(milliseconds),
          `${((100 * milliseconds) / (kernels?.milliseconds ?? Number.NaN)).toFixed(0)} %`,
        ]);
    }),
  };
}

/** Our losses on the device beside the CPU's. */
export function curveTable(curves: readonly Curve[]): Table {
  const list = (losses: Curve['cpu']): string => losses.map((l) => l?.toFixed(5) ?? '–').join(' ');
  return {
    columns: [
      ...left('network', 'training', 'losses on the device', 'on the CPU'),
      ...right('largest difference'),
    ],
    rows: curves.map((c) => [
      c.title,
      c.training,
      list(c.device),
      list(c.cpu),
      Number.isFinite(c.relative) ? c.relative.toExponential(1) : '–',
    ]),
  };
}

/** All tables, with what they were measured on below. */
export function resultsText(results: GpuResults, format: 'text' | 'markdown', kernels: number): string {
  const { machine: m, settings: s, measurements, curves, problems } = results;
  const libraries = [...new Set(measurements.map((x) => x.report.library))];
  const how = measurements.flatMap((x) => (x.report.how ?? []).map((line) => `${x.title}, ${line}.`));
  const tables = [
    speedTable(measurements),
    splitTable(measurements),
    kernelTable(measurements, kernels),
    curveTable(curves),
  ].filter((t) => t.rows.length > 0);
  return [
    ...tables.map((t) => `${renderTable(t, format)}\n`),
    `${m.date}; ${m.cpu}, ${m.cores} cores, ${m.memoryGiB} GiB, ${m.system}; node ${m.node.replace(/^v/, '')}, ${libraries.join(', ')}.`,
    `${s.threads} threads; one process of each side, ${s.steps} steps each after ${s.warmup} of warm-up; images go up and the loss comes`,
    'down in every step. ms/step: the median. ours ÷ it: below 1 reparam is faster. card: memory of the card beyond what was in',
    "use before, by nvidia-smi. process: VmHWM. kernels: the device's programs by its own clock, in a step that is profiled, which",
    'starts so many (dispatches).',
    'transfers: a run that moves the same and computes nothing. rest: the step less both. core time: of the process in a step.',
    'start: from the model to the end of the first step, which compiles.',
    ...new Set(how),
    ...problems.map((p) => `WRONG: ${p}`),
  ].join('\n');
}

function stepTime({ report }: GpuMeasurement): number {
  return median(report.milliseconds);
}

function left(...titles: string[]): Column[] {
  return titles.map((title) => ({ title }));
}

function right(...titles: string[]): Column[] {
  return titles.map((title) => ({ title, align: 'right' }));
}

function whole(mebibytes: number | null): string {
  return mebibytes === null ? '' : mebibytes.toFixed(0);
}

function digits(value: number): string {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}
