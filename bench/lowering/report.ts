import { COSTS, type Costs, type Form } from '../../src/finetune/lowering/blocked/cost.js';
import type { Table } from '../../src/report/table.js';
import { probes } from './constants.js';
import { chosen, estimate, type Layer } from './layers.js';

export interface MeasuredConstant {
  readonly name: keyof Costs;
  readonly value: number;
}

export interface MeasuredLayer {
  readonly layer: Layer;
  readonly times: readonly { readonly form: Form; readonly milliseconds: number }[];
}

export function constantsTable(measured: readonly MeasuredConstant[], block: number): Table {
  const all = probes(block);
  return {
    columns: [
      { title: 'constant' },
      { title: 'unit' },
      ...['in use', 'here', 'here ÷ in use'].map((title) => ({ title, align: 'right' }) as const),
    ],
    rows: measured.map(({ name, value }) => [
      name,
      all[name].unit,
      figure(COSTS[name]),
      figure(value),
      (value / COSTS[name]).toFixed(2),
    ]),
  };
}

/** Every way to compute dW of the layers, a row for each. */
export function layersTable(measured: readonly MeasuredLayer[]): Table {
  return {
    columns: [
      { title: 'layer' },
      { title: 'networks' },
      { title: 'formulation' },
      ...['ms', 'estimate', '÷ fastest'].map((title) => ({ title, align: 'right' }) as const),
      { title: 'chosen' },
    ],
    rows: measured.flatMap(({ layer, times }) => {
      const fastest = Math.min(...times.map((t) => t.milliseconds));
      return times.map(({ form, milliseconds }, i) => [
        i === 0 ? layer.title : '',
        i === 0 ? layer.networks.join(' ') : '',
        form,
        milliseconds.toFixed(2),
        estimate(layer, form, COSTS).toFixed(2),
        (milliseconds / fastest).toFixed(2),
        form === chosen(layer) ? 'yes' : '',
      ]);
    }),
  };
}

/** How much slower the chosen formulations are than the fastest: `37 of 40 layers, …`. */
export function summary(measured: readonly MeasuredLayer[]): string {
  let [right, taken, best] = [0, 0, 0];
  for (const { layer, times } of measured) {
    const fastest = Math.min(...times.map((t) => t.milliseconds));
    const own = times.find((t) => t.form === chosen(layer))?.milliseconds ?? Number.NaN;
    if (own === fastest) right++;
    taken += own;
    best += fastest;
  }
  return (
    `The fastest formulation is chosen for ${right} of ${measured.length} layers; each layer once, the chosen ones take ` +
    `${taken.toFixed(1)} ms, the fastest ${best.toFixed(1)} ms.`
  );
}

function figure(value: number): string {
  return value.toFixed(value < 10 ? 3 : 0);
}
