import { memoryText } from '../base/bytes.js';
import type { Seconds, StepInspection } from '../finetune/inspect-step.js';
import { byteSize, type Value } from '../onnx/index.js';
import { count, percent } from './format.js';
import { opsetsOf, printable, type ValueJson, valueJson } from './inspect.js';
import { renderTable, type Table, type TableFormat } from './table.js';

/** What `inspect --train-step --json` prints. Bytes and seconds. */
export interface StepJson {
  readonly batch: number;
  readonly image: readonly number[];
  readonly lowering: string;
  readonly opsets: Readonly<Record<string, number>>;
  readonly inputs: readonly ValueJson[];
  readonly outputs: readonly ValueJson[];
  readonly state: {
    readonly tensors: number;
    readonly bytes: number;
    readonly kinds: Readonly<Record<string, number>>;
  };
  readonly constants: { readonly tensors: number; readonly bytes: number };
  readonly nodes: number;
  readonly parts: StepInspection['parts'];
  readonly ops: StepInspection['ops'];
  readonly memory: StepInspection['memory'];
  readonly seconds: StepInspection['seconds'];
}

/** A training step before it runs, as one JSON-ready object. */
export function stepJson({ step, image, parts, ops, memory, seconds }: StepInspection): StepJson {
  const { graph } = step.model;
  const state = new Set(step.state.map((s) => s.input));
  const fetched = new Set(step.fetch);
  const kinds: Record<string, number> = {};
  for (const { kind } of step.state) kinds[kind] = (kinds[kind] ?? 0) + 1;
  return {
    batch: step.batch,
    image,
    lowering: step.lowering,
    opsets: opsetsOf(step.model),
    inputs: graph.requiredInputs.filter((v) => !state.has(v.name)).map(valueJson),
    outputs: graph.outputs.filter((v) => fetched.has(v.name)).map(valueJson),
    state: {
      tensors: step.state.length,
      bytes: step.state.reduce((sum, { initial: t }) => sum + byteSize(t.dataType, t.size), 0),
      kinds,
    },
    constants: { tensors: graph.initializers.size, bytes: constantBytes(graph.initializers) },
    nodes: graph.nodes.length,
    parts,
    ops,
    memory,
    seconds,
  };
}

/** Nodes by operator, a row each. */
export function opTable({ ops }: Pick<StepJson, 'ops'>): Table {
  return {
    columns: [{ title: 'operator' }, { title: 'nodes', align: 'right' }],
    rows: ops.map(({ op, nodes }) => [op, count(nodes)]),
  };
}

/** The operators as a table and, below it, what the step takes, keeps and needs. Ends without a newline. */
export function stepTable(step: StepJson, format: TableFormat = 'text'): string {
  const table = renderTable(opTable(step), format);
  return format === 'csv' ? table : `${table}\n\n${facts(step).join('\n')}`;
}

function facts({
  inputs,
  outputs,
  state,
  constants,
  nodes,
  parts,
  memory,
  seconds,
  ...step
}: StepJson): string[] {
  const shaped = ({ name, dataType, shape }: ValueJson): string =>
    `${printable(name)} ${dataType ?? '?'} [${shape?.join(', ') ?? '?'}]`;
  const share = (n: number): string => `${count(n)} (${percent(n / nodes)})`;
  const kinds = Object.entries(state.kinds).map(([kind, n]) => `${count(n)} ${kind}`);
  const opsets = Object.entries(step.opsets).map(([domain, version]) => `${domain} ${version}`);
  const { total, ...needs } = memory;
  const times = [
    `${secondsText(seconds.prepare)} to fix the shapes`,
    `${secondsText(seconds.build)} to build the graph`,
    ...(seconds.session ? [`${secondsText(seconds.session)} for the runtime's session`] : []),
  ];
  return [
    `step       ${count(step.batch)} ${step.batch === 1 ? 'image' : 'images'} of [${step.image.join(', ')}], ${step.lowering} lowering, ${opsets.join(', ')}`,
    `inputs     ${inputs.map(shaped).join(', ')}`,
    `outputs    ${outputs.map(shaped).join(', ')}`,
    `state      ${count(state.tensors)} tensors, ${memoryText(state.bytes)}: ${kinds.join(', ')}`,
    `constants  ${count(constants.tensors)}, ${memoryText(constants.bytes)}`,
    `nodes      ${count(nodes)}: ${share(parts.forward)} forward, ${share(parts.gradient)} gradient, ${share(parts.optimizer)} optimizer`,
    `memory     about ${memoryText(total)}: ${Object.entries(needs)
      .map(([what, bytes]) => `${what} ${memoryText(bytes)}`)
      .join(', ')}`,
    `seconds    ${times.join(', ')} (in brackets: of all threads)`,
  ];
}

function secondsText({ wall, processor }: Seconds): string {
  return `${wall.toFixed(2)} (${processor.toFixed(2)})`;
}

function constantBytes(values: Iterable<Value>): number {
  let bytes = 0;
  for (const { initializer: t } of values) if (t) bytes += byteSize(t.dataType, t.size);
  return bytes;
}
