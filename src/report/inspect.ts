import type { Dim, LayerCount, Model, ModelCount, TorchinfoCount, Value } from '../onnx/index.js';
import { count, megabytes, NONE, short } from './format.js';
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
  return { ...counted, ...describeModel(model) };
}

/** The layers, one row each; `reads` is empty where a layer reads just the one above. */
export function layerTable(counted: ModelCount): Table {
  return tableOf(counted, {
    number: count,
    none: NONE,
    reads: (layer, above) => (layer.reads.length === 1 && layer.reads[0] === above?.name ? [] : layer.reads),
  });
}

/** The same for programs: whole digits, nothing left out. */
export function layerData(counted: ModelCount): Table {
  return tableOf(counted, { number: String, none: '', reads: (layer) => layer.reads });
}

interface Cells {
  readonly number: (n: number) => string;
  readonly none: string;
  readonly reads: (layer: LayerCount, above: LayerCount | undefined) => readonly string[];
}

function tableOf(counted: ModelCount, { number, none, reads }: Cells): Table {
  const weightPath = counted.weightMultAdds > 0;
  return {
    columns: [
      { title: 'layer', shrink: true },
      { title: 'operator', shrink: true },
      { title: 'output shape' },
      { title: 'parameters', align: 'right' },
      { title: 'mult-adds', align: 'right' },
      ...(weightPath ? [{ title: 'for its weights', align: 'right' } as const] : []),
      { title: 'connections', align: 'right' },
      { title: 'reads', shrink: true },
    ],
    rows: counted.layers.map((layer, i) => [
      printable(layer.name),
      printable(layer.op),
      layer.outputShape === null ? none : shapeText(layer.outputShape),
      number(layer.parameters),
      layer.multAdds === null ? none : number(layer.multAdds),
      ...(weightPath ? [number(layer.weightMultAdds)] : []),
      layer.connections === null ? none : number(layer.connections),
      reads(layer, counted.layers[i - 1])
        .map(printable)
        .join(', '),
    ]),
  };
}

/**
 * The layers as a table and, below it, totals and what they include; as CSV the table alone. Ends without a newline.
 * @param width columns of the terminal; undefined: the table may be as wide as it is
 */
export function inspectTable(counted: ModelCount, format: TableFormat = 'text', width?: number): string {
  if (format === 'csv') return renderTable(layerData(counted), format);
  const table = renderTable(layerTable(counted), format, width);
  const below = [totalsText(counted), torchinfoText(counted)];
  return [table, ...below.map((text) => (format === 'markdown' ? `\`\`\`text\n${text}\n\`\`\`` : text))].join(
    '\n\n',
  );
}

/** What stands above the table: file format, producer, inputs, outputs. */
export function inspectHeader(model: Model): string {
  const json = describeModel(model);
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

function describeModel(model: Model): Omit<InspectJson, keyof ModelCount> {
  return {
    irVersion: model.irVersion,
    opsets: opsetsOf(model),
    producer: [model.producerName, model.producerVersion].filter(Boolean).join(' '),
    inputs: model.graph.requiredInputs.map(valueJson),
    outputs: model.graph.outputs.map(valueJson),
    metadata: Object.fromEntries(model.metadata),
  };
}

/** Parameters, mult-adds, connections, memory, and what was not counted. */
export function totalsText(counted: ModelCount): string {
  const { frozen, buffers, unusedParameters, memory, uncounted } = counted;
  const images = imagesText(counted);
  const beside = [
    ...(frozen > 0 ? [`${count(frozen)} frozen`] : []),
    ...(unusedParameters > 0 ? [`${count(unusedParameters)} that no layer uses`] : []),
    ...(buffers > 0 ? [`${count(buffers)} running statistics`] : []),
  ];
  const lines = [
    `parameters   ${withShort(counted.parameters)}${beside.length > 0 ? `, beside ${listText(beside)}` : ''}`,
    `mult-adds    ${withShort(counted.multAdds)} for ${images}: convolutions and matrix products, without biases (FLOPs are twice this)`,
  ];
  if (counted.weightMultAdds > 0)
    lines.push(
      `             ${withShort(counted.weightMultAdds)} more to compute the weights, whatever the batch`,
    );
  lines.push(
    `connections  ${withShort(counted.connections)} for one image: to inputs through weights, and to biases`,
    `memory       ${bytes(memory.constants)} constants; for ${images} ${bytes(memory.activations)} activations, ${bytes(memory.peak)} at most at once`,
  );
  if (uncounted.length > 0) {
    const names = uncounted.slice(0, 5).map(printable).join(', ');
    const more = uncounted.length > 5 ? ` and ${uncounted.length - 5} more` : '';
    lines.push(`not in the mult-adds (unknown shape or no rule): ${names}${more}`);
  }
  return lines.join('\n');
}

/** What torchinfo says of a total, and how much it is: its own words, so that they can be compared. */
export function torchinfoRows(counted: ModelCount): (readonly [what: string, value: string])[] {
  const t: TorchinfoCount = counted.torchinfo;
  const rows: (readonly [string, string])[] = [
    ['Total params', count(t.parameters)],
    ['Trainable params', count(t.trainable)],
    ['Non-trainable params', count(t.nonTrainable)],
    ['Total mult-adds', withShort(t.multAdds)],
    ['Input size', megabytes(t.inputBytes)],
    ['Forward/backward pass size', megabytes(t.passBytes)],
    ['Params size', megabytes(t.parameterBytes)],
    ['Estimated total size', megabytes(t.totalBytes)],
  ];
  return rows;
}

function torchinfoText(counted: ModelCount): string {
  const rows = torchinfoRows(counted);
  const size = Math.max(...rows.map(([what]) => what.length));
  return [
    `as torchinfo counts, for ${imagesText(counted)} (mult-adds with biases and normalizations; MB are 10⁶ bytes):`,
    ...rows.map(([what, value]) => `  ${what.padEnd(size)}  ${value}`),
  ].join('\n');
}

function imagesText({ batch }: ModelCount): string {
  return batch === 1 ? 'one image' : `${count(batch)} images`;
}

/** `a`, `a and b`, `a, b and c`. */
function listText(parts: readonly string[]): string {
  return [parts.slice(0, -1).join(', '), parts.at(-1)].filter(Boolean).join(' and ');
}

export function shapeText(shape: readonly Dim[] | null): string {
  return shape === null ? NONE : `[${shape.map((d) => (d === null ? '?' : printable(`${d}`))).join(', ')}]`;
}

export function withShort(n: number): string {
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
