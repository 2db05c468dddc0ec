import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as ort from 'onnxruntime-node';
import { expect } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { decodeModel } from '../../src/onnx/codec/decode.js';
import { encodeModel } from '../../src/onnx/codec/encode.js';
import { countModel, type ModelCount } from '../../src/onnx/count.js';
import type { Model, Tensor } from '../../src/onnx/index.js';
import { readNpy } from '../support/arrays.js';
import { expectClose } from '../support/close.js';

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

/** Puts weights in by name. Every one of the model's must be given, with its dims. */
export function fill(model: Model, weights: ReadonlyMap<string, Tensor>): void {
  let filled = 0;
  for (const value of [...model.graph.initializers].filter((v) => !v.name.startsWith('const/'))) {
    const tensor = weights.get(value.name);
    if (!tensor) throw new Error(`no weight for ${value.name}`);
    expect(tensor.dims, value.name).toEqual(value.shape);
    model.graph.setInitializer(value, tensor);
    filled++;
  }
  expect(filled).toBe(weights.size);
}

export function float32(data: unknown): Float32Array {
  if (!(data instanceof Float32Array)) throw new Error('not float32');
  return data;
}

/** Weights of an exported golden, under the zoo's names. */
export function exportedWeights(
  file: string,
  rename: (name: string) => string = (name) => name,
): Map<string, Tensor> {
  const weights = new Map<string, Tensor>();
  for (const { name, initializer } of decodeModel(readFileSync(file)).graph.initializers)
    if (initializer && /\.(weight|bias|running_mean|running_var|layer_scale)$/.test(name))
      weights.set(rename(name), initializer);
  return weights;
}

export async function expectGoldenOutput(folder: string, model: Model): Promise<void> {
  const input = readNpy(`${folder}/input.npy`);
  const y = await run(model, input.dims, float32(input.data));
  // The tolerance of the goldens' README.
  expectClose(y.data, float32(readNpy(`${folder}/output.npy`).data), { absolute: 1e-4 }, 'logits');
}

export interface Facts {
  readonly count: ModelCount;
  /** `name dims` of each weight, sorted: an order that has nothing to do with the graph's. */
  readonly weights: readonly string[];
}

/** What is compared with figures recorded from another implementation. */
export function factsOf(model: Model): Facts {
  const weights = [...model.graph.initializers]
    .filter((v) => !v.name.startsWith('const/'))
    .map((v) => `${v.name} ${v.initializer?.dims.join('x')}`);
  return { count: countModel(model), weights: weights.sort() };
}

/**
 * The first 16 digits of the SHA-256 of the weights' lines `name dims` (`fc.weight 1000x512`), sorted and joined by line
 * breaks: what a state dict without num_batches_tracked gives too.
 */
export function namesDigest(facts: Facts): string {
  return createHash('sha256').update(facts.weights.join('\n')).digest('hex').slice(0, 16);
}

/** Dims of the image input, with a batch of 1. */
export function inputDims(model: Model): readonly number[] {
  const type = model.graph.inputs[0].type;
  const shape = type?.kind === 'tensor' ? (type.shape ?? []) : [];
  return shape.map((d) => (typeof d === 'number' ? d : 1));
}
