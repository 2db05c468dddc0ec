import { type Column, renderTable, type Table } from '../../src/report/table.js';
import type { Arguments } from './arguments.js';
import { SIDES } from './cases.js';
import { type Machine, machineText } from './machine.js';
import { type Measurement, summarize } from './measurement.js';
import { type Interval, type PairedMeasurement, summarizePairs } from './pairs.js';

/** A whole run. */
export interface Results {
  readonly machine: Machine;
  readonly settings: Pick<Arguments, 'rounds' | 'steps' | 'warmup' | 'threads'>;
  /** Names and versions of what did the work. */
  readonly libraries: readonly string[];
  /** How our steps were made: `ResNet-18 224², batch 16, plain: blocked lowering`. */
  readonly how: readonly string[];
  /** Of the sides, or with `--paired` of our two trainings. */
  readonly measurements: readonly Measurement[];
  readonly pairs: readonly PairedMeasurement[];
}

export function sidesTable(measurements: readonly Measurement[]): Table {
  return {
    columns: [
      ...left('network', 'training', 'side'),
      ...right('ms/step', 'processes', 'ours ÷ it', 'peak MiB', 'steps'),
    ],
    rows: measurements.map((m) => {
      const s = summarize(m.processes);
      const ours = measurements.find(
        (o) => o.side === 'reparam' && o.network === m.network && o.training === m.training,
      );
      return [
        m.title,
        m.training,
        SIDES[m.side].title,
        digits(s.median),
        `${digits(s.low)}–${digits(s.high)}`,
        ours ? (summarize(ours.processes).median / s.median).toFixed(2) : '',
        mebibytes(s.peak),
        `${s.undisturbed}/${s.steps}`,
      ];
    }),
  };
}

export function pairsTable(pairs: readonly PairedMeasurement[]): Table {
  const range = ({ low, high }: Interval): string => `${low.toFixed(3)}–${high.toFixed(3)}`;
  return {
    columns: [
      ...left('network'),
      ...right('plain ms', 'refocus ms', 'refocus ÷ plain', '95 %', 'processes', 'peak MiB', 'pairs'),
    ],
    rows: pairs.map(({ title, processes }) => {
      const s = summarizePairs(processes);
      return [
        title,
        digits(s.plain),
        digits(s.refocus),
        s.ratio.toFixed(3),
        s.interval ? range(s.interval) : 'too few pairs',
        range(s.processes),
        mebibytes(s.peak),
        `${s.undisturbed}/${s.pairs}`,
      ];
    }),
  };
}

/** The table, with what it was measured on below. */
export function resultsText(results: Results, format: 'text' | 'markdown'): string {
  const { settings: s, libraries, how, measurements, pairs } = results;
  const paired = pairs.length > 0;
  const table = paired ? pairsTable(pairs) : sidesTable(measurements);
  const processes = s.rounds === 1 ? '1 process' : `${s.rounds} processes`;
  const inTurn = s.rounds === 1 ? '' : ' in turn';
  const lines = [
    `${machineText(results.machine, libraries)}.`,
    ...(paired
      ? [
          `${s.threads} threads; ${processes}${inTurn}, ${s.steps} pairs of steps each after ${s.warmup} of warm-up, the order alternating.`,
          'refocus ÷ plain: median over the pairs whose steps were undisturbed, other programs using a core for at most 5 % of',
          'the time or 20 ms (pairs: how many of all; where fewer than half were undisturbed, all count). 95 %: interval of the',
          'sign test. processes: lowest and highest median of one process. peak: VmHWM of the process, which holds both.',
        ]
      : [
          `${s.threads} threads; ${processes} of each side${inTurn}, ${s.steps} steps each after ${s.warmup} of warm-up.`,
          'ms/step: median of the undisturbed steps, during which other programs used a core for at most 5 % of the time or',
          '20 ms (steps: how many of all; where fewer than half were undisturbed, the median of all). processes: lowest and',
          'highest median of one process. ours ÷ it: below 1 reparam is faster. peak: VmHWM of the process.',
        ]),
    ...how.map((line) => `${line}.`),
  ];
  return `${renderTable(table, format)}\n\n${lines.join('\n')}`;
}

function left(...titles: string[]): Column[] {
  return titles.map((title) => ({ title }));
}

function right(...titles: string[]): Column[] {
  return titles.map((title) => ({ title, align: 'right' }));
}

function mebibytes(peak: number | null): string {
  return peak === null ? '' : peak.toFixed(0);
}

function digits(ms: number): string {
  return ms.toFixed(ms < 100 ? 1 : 0);
}
