/** Signatures of the ai.onnx operators, all versions, parsed from the generated table on first use. */
import { NEWEST_OPSET, SCHEMAS } from './schemas.generated.js';

export { NEWEST_OPSET };

export interface Parameter {
  readonly name: string;
  /** A type parameter of `constraints`, or `=float32` for a fixed type. */
  readonly type: string;
  readonly kind: 'single' | 'optional' | 'variadic';
  /** Variadic: whether all have one type. */
  readonly uniform: boolean;
  /** Variadic: how many there must be. */
  readonly least: number;
}

export interface AttributeSchema {
  /** As in the specification: float, int, string, tensor, graph, floats, …, sparse_tensor, type_proto. */
  readonly type: string;
  readonly required: boolean;
}

export interface OperatorSchema {
  readonly name: string;
  /** The opset this version came with. */
  readonly since: number;
  /** Removed with this opset. */
  readonly deprecated: boolean;
  readonly inputs: readonly Parameter[];
  readonly outputs: readonly Parameter[];
  readonly attributes: ReadonlyMap<string, AttributeSchema>;
  /** Type parameter → element types it allows; `seq`, `optional` and others stand for all of their kind. */
  readonly constraints: ReadonlyMap<string, ReadonlySet<string>>;
}

type Row = readonly [
  since: number,
  deprecated: number,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: readonly string[],
  constraints: Readonly<Record<string, number>>,
];

interface Table {
  readonly types: readonly ReadonlySet<string>[];
  readonly rows: ReadonlyMap<string, readonly Row[]>;
}

let table: Table | undefined;
const parsed = new Map<string, readonly OperatorSchema[]>();

function load(): Table {
  if (table) return table;
  const json: { types: string[]; ops: Record<string, Row[]> } = JSON.parse(SCHEMAS);
  table = {
    types: json.types.map((t) => new Set(t.split(','))),
    rows: new Map(Object.entries(json.ops)),
  };
  return table;
}

/** All versions of an operator, oldest first; undefined when no opset has it. */
export function schemaHistory(opType: string): readonly OperatorSchema[] | undefined {
  const known = parsed.get(opType);
  if (known) return known;
  const { rows, types } = load();
  const list = rows.get(opType)?.map((row) => parse(opType, row, types));
  if (list) parsed.set(opType, list);
  return list;
}

/** The version of an operator that an opset uses, deprecated ones included; undefined before its first. */
export function schemaOf(opType: string, opset: number): OperatorSchema | undefined {
  return schemaHistory(opType)?.findLast((s) => s.since <= opset);
}

function parse(name: string, row: Row, types: Table['types']): OperatorSchema {
  const [since, deprecated, inputs, outputs, attributes, constraints] = row;
  return {
    name,
    since,
    deprecated: deprecated !== 0,
    inputs: inputs.map(parameter),
    outputs: outputs.map(parameter),
    attributes: new Map(
      attributes.map((text) => {
        const [key, type] = text.split(':');
        return [key, { type: type.replace('!', ''), required: type.endsWith('!') }];
      }),
    ),
    constraints: new Map(Object.entries(constraints).map(([key, i]) => [key, types[i]])),
  };
}

function parameter(text: string): Parameter {
  const [, name, type, mark, least] = /^([^:]*):([^?*~]+)([?*~]?)(\d*)$/.exec(text) ?? [];
  if (name === undefined) throw new Error(`operator table: cannot read parameter '${text}'`);
  return {
    name,
    type,
    kind: mark === '' ? 'single' : mark === '?' ? 'optional' : 'variadic',
    uniform: mark !== '~',
    least: Number(least),
  };
}
