import { renderTable, type Table } from '../../src/report/table.js';
import type { Arguments } from './arguments.js';
import { NETWORKS, SIDES } from './cases.js';
import type { Machine } from './machine.js';
import { type Measurement, summarize } from './measurement.js';

/** A whole run. */
export interface Results {
  readonly machine: Machine;
  readonly settings: Pick<Arguments, 'rounds' | 'steps' | 'warmup' | 'threads'>;
  /** Names and versions of what did the work. */
  readonly libraries: readonly string[];
  readonly measurements: readonly Measurement[];
}

export function resultsTable({ measurements }: Results): Table {
  const right = 'right' as const;
  return {
    columns: [
      { title: 'network' },
      { title: 'form' },
      { title: 'side' },
      { title: 'ms/step', align: right },
      { title: 'processes', align: right },
      { title: 'time ÷ ours', align: right },
      { title: 'peak MiB', align: right },
      { title: 'steps', align: right },
    ],
    rows: measurements.map((m) => {
      const s = summarize(m.processes);
      const ours = measurements.find(
        (o) => o.side === 'reparam' && o.network === m.network && o.form === m.form,
      );
      return [
        NETWORKS[m.network].title,
        m.form,
        SIDES[m.side].title,
        digits(s.median),
        `${digits(s.low)}–${digits(s.high)}`,
        ours ? (s.median / summarize(ours.processes).median).toFixed(2) : '',
        s.peak === null ? '' : s.peak.toFixed(0),
        `${s.undisturbed}/${s.steps}`,
      ];
    }),
  };
}

/** The table, with what it was measured on below. */
export function resultsText(results: Results, format: 'text' | 'markdown'): string {
  const { machine: m, settings: s, libraries } = results;
  const processes = s.rounds === 1 ? '1 process' : `${s.rounds} processes`;
  const lines = [
    `${m.date}; ${m.cpu}, ${m.cores} cores, ${m.memoryGiB} GiB, ${m.system}; node ${m.node.replace(/^v/, '')}, ${libraries.join(', ')}.`,
    `${s.threads} threads; ${processes} of each side${s.rounds === 1 ? '' : ' in turn'}, ${s.steps} steps each after ${s.warmup} of warm-up.`,
    'ms/step: median of the undisturbed steps, during which other programs used a core for at most 5 % of the time or',
    '20 ms (steps: how many of all; where fewer than half were undisturbed, the median of all). processes: lowest and',
    'highest median of one process. time ÷ ours: above 1 the side is slower than reparam. peak: VmHWM of the process.',
  ];
  return `${renderTable(resultsTable(results), format)}\n\n${lines.join('\n')}`;
}

function digits(ms: number): string {
  return ms.toFixed(ms < 100 ? 1 : 0);
}
