import {
  type AttributeInit,
  Graph,
  type Node,
  Tensor,
  tensorType,
  type Value,
} from '../../src/onnx/index.js';
import { type DataType, isDataType } from '../../src/onnx/ir/dtype.js';
import type { Dim } from '../../src/onnx/ir/types.js';

/** A value as the case files write it: element type, dims, and the elements of a constant. */
export type TypedDims = readonly [type: string, dims: readonly Dim[], values?: readonly number[]];

/** A tensor with these numbers. */
export function tensorOf(type: string, dims: readonly number[], values: readonly number[]): Tensor {
  switch (type) {
    case 'int64':
      return Tensor.int64(dims, values);
    case 'int32':
      return Tensor.int32(dims, values);
    case 'float32':
      return Tensor.float32(dims, values);
    case 'float64':
      return Tensor.float64(dims, values);
    case 'bool':
      return Tensor.bool(
        dims,
        values.map((v) => v !== 0),
      );
    default:
      // Only the type and the dims matter to the tests that get here.
      return Tensor.raw(dataType(type), dims, new Uint8Array(values.length * bytesOf(type)));
  }
}

function bytesOf(type: string): number {
  return /16/.test(type) ? 2 : /32/.test(type) ? 4 : /64/.test(type) ? 8 : 1;
}

export function dataType(name: string): DataType {
  if (!isDataType(name)) throw new Error(`no such element type: ${name}`);
  return name;
}

/** One node 'n' in a graph of its own, its inputs x0, x1, … and outputs y0, y1, … */
export function singleNode(
  opType: string,
  inputs: readonly (TypedDims | null)[],
  attributes: Readonly<Record<string, AttributeInit>> = {},
  outputs: readonly string[] = ['y0'],
): Node {
  const graph = new Graph('g');
  const values = inputs.map((x, i): Value | undefined => {
    if (x === null) return undefined;
    const [type, dims, data] = x;
    if (!data) return graph.addInput(`x${i}`, tensorType(dataType(type), dims));
    return graph.addInitializer(`x${i}`, tensorOf(type, dims.map(Number), data));
  });
  return graph.addNode({ opType, name: 'n', inputs: values, outputs, attributes });
}

/** An entry of test/fixtures/infer/cases.json. */
export interface CaseJson {
  readonly op: string;
  readonly opset: number;
  readonly in: readonly (TypedDims | null)[];
  readonly attrs: Readonly<Record<string, AttributeJson>>;
  readonly out: readonly (readonly [string, readonly number[]] | null)[];
}

export interface AttributeJson {
  readonly int?: number;
  readonly float?: number;
  readonly string?: string;
  readonly ints?: readonly number[];
  readonly floats?: readonly number[];
  readonly tensor?: readonly [string, readonly number[], readonly number[]];
}

export function caseAttribute(a: AttributeJson): AttributeInit {
  if (a.int !== undefined) return a.int;
  if (a.float !== undefined) return { float: a.float };
  if (a.string !== undefined) return a.string;
  if (a.ints) return a.ints;
  if (a.floats) return { floats: a.floats };
  if (a.tensor) return tensorOf(...a.tensor);
  throw new Error(`attribute ${JSON.stringify(a)}`);
}
