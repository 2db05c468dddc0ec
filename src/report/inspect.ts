import type { Dim, LayerCount, Model, ModelCount, Value } from '../onnx/index.js';
import { count, NONE, short } from './format.js';
import { renderTable, type Table, type TableFormat } from './table.js';

/** What `inspect --json` prints. */
export interface InspectJson extends ModelCount {
  readonly irVersion: number;
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: string;
  readonly inputs: readonly ValueJson[];
  readonly outputs: readonly ValueJson[];
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ValueJson {
  readonly name: string;
  readonly dataType: string | null;
  /** As declared: numbers, names of open dims, null where the file says nothing; null alone: unknown rank. */
  readonly shape: readonly Dim[] | null;
}

/** The model and its count as one JSON-ready object. */
export function inspectJson(model: Model, counted: ModelCount): InspectJson {
  return {
    ...counted,
    irVersion: model.irVersion,
    opsets: opsetsOf(model),
    producer: [model.producerName, model.producerVersion].filter(Boolean).join(' '),
    inputs: model.graph.requiredInputs.map(valueJson),
    outputs: model.graph.outputs.map(valueJson),
    metadata: Object.fromEntries(model.metadata),
  };
}

/** The layers, one row each; `reads` is empty where a layer reads just the one above. */
export function layerTable(counted: ModelCount): Table {
  const weightPath = counted.weightMultAdds > 0;
  return {
    columns: [
      { title: 'layer' },
      { title: 'operator' },
      { title: 'output shape' },
      { title: 'parameters', align: 'right' },
      { title: 'mult-adds', align: 'right' },
      ...(weightPath ? [{ title: 'for its weights', align: 'right' } as const] : []),
      { title: 'reads' },
    ],
    rows: counted.layers.map((layer, i) => [
      printable(layer.name),
      printable(layer.op),
      shapeText(layer.outputShape),
      count(layer.parameters),
      layer.multAdds === null ? NONE : count(layer.multAdds),
      ...(weightPath ? [count(layer.weightMultAdds)] : []),
      readsText(layer, counted.layers[i - 1]),
    ]),
  };
}

/** The layers as a table and, below it, totals and what they include. Ends without a newline. */
export function inspectTable(counted: ModelCount, format: TableFormat = 'text'): string {
  const table = renderTable(layerTable(counted), format);
  return format === 'csv' ? table : `${table}\n\n${totals(counted).join('\n')}`;
}

/** What stands above the table: file format, producer, inputs, outputs. */
export function inspectHeader(model: Model): string {
  const json = inspectJson(model, NOTHING);
  const opsets = Object.entries(json.opsets).map(([domain, v]) => `${printable(domain)} ${v}`);
  const lines = [`IR ${json.irVersion}, opset ${opsets.join(', ')}`];
  if (json.producer) lines[0] += `, made by ${printable(json.producer)}`;
  for (const [word, values] of [
    ['input ', json.inputs],
    ['output', json.outputs],
  ] as const)
    for (const v of values)
      lines.push(`${word} ${printable(v.name)}: ${v.dataType ?? '?'} ${shapeText(v.shape)}`);
  return lines.join('\n');
}

const NOTHING: ModelCount = {
  batch: 1,
  parameters: 0,
  unusedParameters: 0,
  frozen: 0,
  buffers: 0,
  multAdds: 0,
  weightMultAdds: 0,
  layers: [],
  uncounted: [],
  memory: { constants: 0, activations: 0, peak: 0 },
};

function totals(counted: ModelCount): string[] {
  const { frozen, buffers, memory, uncounted } = counted;
  const images = counted.batch === 1 ? 'one image' : `${count(counted.batch)} images`;
  const beside = [
    ...(frozen > 0 ? [`${count(frozen)} frozen`] : []),
    ...(buffers > 0 ? [`${count(buffers)} running statistics`] : []),
  ];
  const lines = [
    `parameters  ${withShort(counted.parameters)}${beside.length > 0 ? `, beside ${beside.join(' and ')}` : ''}`,
    `mult-adds   ${withShort(counted.multAdds)} for ${images}: convolutions and matrix products, without biases (FLOPs are twice this)`,
  ];
  if (counted.weightMultAdds > 0)
    lines.push(
      `            ${withShort(counted.weightMultAdds)} more to compute the weights, whatever the batch`,
    );
  lines.push(
    `memory      ${bytes(memory.constants)} constants; for ${images} ${bytes(memory.activations)} activations, ${bytes(memory.peak)} at most at once`,
  );
  if (uncounted.length > 0) {
    const names = uncounted.slice(0, 5).map(printable).join(', ');
    const more = uncounted.length > 5 ? ` and ${uncounted.length - 5} more` : '';
    lines.push(`not in the mult-adds (unknown shape or no rule): ${names}${more}`);
  }
  return lines;
}

function readsText(layer: LayerCount, above: LayerCount | undefined): string {
  const { connections } = layer;
  if (connections.length === 1 && connections[0] === above?.name) return '';
  return connections.map(printable).join(', ');
}

function shapeText(shape: readonly Dim[] | null): string {
  return shape === null ? NONE : `[${shape.map((d) => (d === null ? '?' : printable(`${d}`))).join(', ')}]`;
}

function withShort(n: number): string {
  return n < 1000 ? count(n) : `${count(n)} (${short(n)})`;
}

/** 1234567 → `1.2 MB`, powers of ten. */
function bytes(n: number): string {
  for (const [unit, size] of [
    ['GB', 1e9],
    ['MB', 1e6],
    ['kB', 1e3],
  ] as const)
    if (n >= size) return `${(n / size).toFixed(1)} ${unit}`;
  return `${n} B`;
}

export function opsetsOf(model: Model): Record<string, number> {
  return Object.fromEntries([...model.opsets].map(([domain, v]) => [domain || 'ai.onnx', v]));
}

export function valueJson(value: Value): ValueJson {
  const type = value.type?.kind === 'tensor' ? value.type : undefined;
  return { name: value.name, dataType: type?.dataType ?? null, shape: type?.shape ?? null };
}

/** Names come from files: control characters must not reach a terminal. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '\uFFFD');
}
