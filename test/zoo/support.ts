import * as ort from 'onnxruntime-node';
import { randomFor } from '../../src/base/random.js';
import { encodeModel } from '../../src/onnx/codec/encode.js';
import type { Model } from '../../src/onnx/index.js';

/** Standard normal values, a function of the seed. */
export function normals(count: number, seed: number): Float32Array {
  const random = randomFor(seed, 'test input');
  return Float32Array.from({ length: count }, () => random.normal());
}

/** Runs a model in the runtime itself; returns its first output. */
export async function run(
  model: Model,
  dims: readonly number[],
  data: Float32Array,
): Promise<{ dims: readonly number[]; data: Float32Array }> {
  const session = await ort.InferenceSession.create(encodeModel(model), { logSeverityLevel: 3 });
  try {
    const [name] = session.inputNames;
    const result = await session.run({ [name]: new ort.Tensor('float32', data, dims) });
    const y = result[session.outputNames[0]];
    if (!(y.data instanceof Float32Array)) throw new Error(`output is ${y.type}`);
    return { dims: y.dims, data: y.data };
  } finally {
    await session.release();
  }
}

export function standardDeviation(data: Float32Array): number {
  const mean = data.reduce((s, v) => s + v, 0) / data.length;
  return Math.sqrt(data.reduce((s, v) => s + (v - mean) ** 2, 0) / data.length);
}
