/** Runs one op in ONNX Runtime (float32, no graph optimization) and in the interpreter, and compares every output. */
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { expect } from 'vitest';
import { type Random, randomFor } from '../../../src/base/random.js';
import {
  type AttributeInit,
  type DataType,
  encodeModel,
  Graph,
  Model,
  sizeOf,
  Tensor,
  tensorType,
} from '../../../src/onnx/index.js';
import { evaluate, fromTensor, type RefTensor, toNumbers } from '../../../src/runtime/reference/index.js';
import { expectClose } from '../../support/close.js';

export interface OpCase {
  readonly op: string;
  readonly opset: number;
  /** Undefined: left out. */
  readonly inputs: readonly (Tensor | undefined)[];
  readonly attributes?: Readonly<Record<string, AttributeInit>>;
  /** Default 1. */
  readonly outputs?: number;
  /** Element types of the outputs; default: that of input 0. */
  readonly types?: readonly DataType[];
  /** Allowed difference relative to the output's largest value. Default 1e-6: a few roundings of float32. */
  readonly tolerance?: number;
}

export function opModel(test: OpCase): Model {
  const graph = new Graph('op');
  const inputs = test.inputs.map((t, i) => t && graph.addInput(`x${i}`, tensorType(t.dataType, t.dims)));
  const node = graph.addNode({
    opType: test.op,
    name: 'node',
    inputs,
    outputs: Array.from({ length: test.outputs ?? 1 }, (_, i) => `y${i}`),
    attributes: test.attributes ?? {},
  });
  for (const [i, value] of node.outputs.entries()) {
    value.type = tensorType(test.types?.[i] ?? test.inputs[0]?.dataType ?? 'float32');
    graph.addOutput(value);
  }
  return new Model(graph, test.opset, 8);
}

export function evaluateOp(test: OpCase): RefTensor[] {
  const feeds = new Map<string, RefTensor>();
  for (const [i, t] of test.inputs.entries()) if (t) feeds.set(`x${i}`, fromTensor(t));
  return [...evaluate(opModel(test), feeds).values()];
}

export async function expectLikeOrt(test: OpCase): Promise<void> {
  const session = await InferenceSession.create(encodeModel(opModel(test)), {
    graphOptimizationLevel: 'disabled',
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const feeds: Record<string, OrtTensor> = {};
  for (const [i, t] of test.inputs.entries()) if (t) feeds[`x${i}`] = toOrt(t);
  const expected = await session.run(feeds);
  await session.release();
  const ours = evaluateOp(test);
  for (const [i, y] of ours.entries()) {
    const e = expected[`y${i}`];
    const what = `${test.op} ${test.opset} ${JSON.stringify(test.attributes ?? {}, plain)} output ${i}`;
    expect(y.dims, `${what}: dims`).toEqual([...e.dims]);
    expect(y.dataType, `${what}: type`).toBe(e.type);
    const numbers = toOurs(e);
    const scale = numbers.reduce((m, v) => (Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m), 0);
    const [a, b] = finite(toNumbers(y), numbers, what);
    expectClose(a, b, { absolute: e.type === 'float32' ? (test.tolerance ?? 1e-6) * scale : 0 }, what);
  }
}

/** Infinities and NaN must stand in the same places; the rest is compared. */
function finite(a: Float64Array, b: Float64Array, what: string): [number[], number[]] {
  expect(a.length, `${what}: length`).toBe(b.length);
  const [x, y]: [number[], number[]] = [[], []];
  for (let i = 0; i < b.length; i++) {
    if (Number.isFinite(b[i])) {
      x.push(a[i]);
      y.push(b[i]);
    } else expect(a[i], `${what}: [${i}]`).toBe(b[i]);
  }
  return [x, y];
}

function plain(_: string, v: unknown): unknown {
  return v instanceof Tensor ? `${v.dataType}[${v.dims}]` : typeof v === 'bigint' ? Number(v) : v;
}

function toOrt(t: Tensor): OrtTensor {
  const data = t.typed();
  switch (t.dataType) {
    case 'bool':
      return new OrtTensor('bool', Uint8Array.from(data, Number), t.dims);
    case 'float32':
    case 'float64':
    case 'int64':
    case 'int32':
    case 'uint32':
    case 'uint8':
    case 'int8':
      return Reflect.construct(OrtTensor, [t.dataType, data, t.dims]);
    default:
      throw new Error(`no ${t.dataType} here`);
  }
}

function toOurs(t: OrtTensor): Float64Array {
  return Float64Array.from<number | bigint>(t.data as Float32Array, Number);
}

const random: Random = randomFor('reference tests');

/** Standard normal float32 values. */
export function normal(...dims: number[]): Tensor {
  return Tensor.float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => random.normal()),
  );
}

/** Uniform float32 values of [low, high). */
export function uniform(low: number, high: number, ...dims: number[]): Tensor {
  return Tensor.float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => low + (high - low) * random.next()),
  );
}

/** Integers of [low, high) as int64. */
export function integers(low: number, high: number, ...dims: number[]): Tensor {
  return Tensor.int64(
    dims,
    Array.from({ length: sizeOf(dims) }, () => low + random.int(high - low)),
  );
}

export function bools(...dims: number[]): Tensor {
  return Tensor.bool(
    dims,
    Array.from({ length: sizeOf(dims) }, () => random.next() < 0.5),
  );
}

export function i64(...values: number[]): Tensor {
  return Tensor.int64([values.length], values);
}

export function f32(...values: number[]): Tensor {
  return Tensor.float32([values.length], values);
}
