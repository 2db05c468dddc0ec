import { env, InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { expect } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { differentiate } from '../../src/finetune/autodiff/differentiate.js';
import { inferTrained } from '../../src/finetune/autodiff/internal.js';
import { blockedLowering } from '../../src/finetune/lowering/blocked/index.js';
import { lower } from '../../src/finetune/lowering/lower.js';
import type { Lowering } from '../../src/finetune/lowering/lowering.js';
import { parallelLowering } from '../../src/finetune/lowering/parallel/index.js';
import { portable, portableLowering } from '../../src/finetune/lowering/portable/index.js';
import { TRAINING_OPSET } from '../../src/finetune/step/prepare.js';
import {
  cloneModel,
  encodeModel,
  Graph,
  GraphBuilder,
  Model,
  sizeOf,
  Tensor,
  tensorType,
  upgradeOpset,
  type Value,
} from '../../src/onnx/index.js';
import { channelBlock, createEngine } from '../../src/runtime/index.js';
import { evaluate, type RefTensor } from '../../src/runtime/reference/index.js';

export interface GradientCase {
  /** Inputs by name: dims, and optionally how to draw a value (default: standard normal). */
  readonly inputs: Readonly<Record<string, Draw | readonly number[]>>;
  /** Emits the function; the gradient by every input is checked. */
  readonly build: (b: GraphBuilder, inputs: Readonly<Record<string, Value>>) => Value;
  /** Largest allowed |analytic − numeric| relative to the gradient's largest value. */
  readonly tolerance?: number;
  /** That the function is written in; the gradient is always emitted in that of training graphs. Default: theirs. */
  readonly opset?: number;
  /** false: ONNX Runtime does not take the function; only the interpreter runs it. */
  readonly runs?: false;
}

export interface Draw {
  readonly dims: readonly number[];
  readonly value: (normal: () => number, index: number) => number;
}

const real = (dims: readonly number[], data: Float64Array): RefTensor => ({
  dataType: 'float64',
  dims,
  data,
});

/**
 * Compares autodiff and the portable lowering with central differences: the scalar is Σ r·f(x) with fixed random r,
 * everything evaluated in float64 by the reference interpreter. Then runs the same graph in ONNX Runtime, in float32, and
 * what the blocked and the parallel lowering make of it.
 */
export async function checkGradients(name: string, test: GradientCase): Promise<void> {
  const random = randomFor('gradcheck', name);
  const opset = test.opset ?? TRAINING_OPSET;
  const graph = new Graph('test');
  const values: Record<string, Value> = {};
  const feeds = new Map<string, RefTensor>();
  for (const [key, given] of Object.entries(test.inputs)) {
    const draw: Draw = 'dims' in given ? given : { dims: given, value: (normal) => normal() };
    values[key] = graph.addInput(key, tensorType('float32', draw.dims));
    const data = Float64Array.from({ length: sizeOf(draw.dims) }, (_, i) =>
      draw.value(() => random.normal(), i),
    );
    feeds.set(key, real(draw.dims, data));
  }
  const model = new Model(graph, opset, 9);
  const builder = new GraphBuilder(graph, opset, { infer: inferTrained });
  const y = test.build(builder, values);
  graph.addOutput(y);
  const dims = y.shape;
  if (!dims) throw new Error(`${name}: the shape of the output is not known`);
  const r = Float32Array.from({ length: sizeOf(dims) }, () => random.normal());

  const keys = Object.keys(values);
  const seed = Tensor.float32(dims, r);
  const gradients = gradientModel(model, keys, seed, portableLowering);
  const lowering = await blocked;
  const inBlocks = lowering && gradientModel(model, keys, seed, lowering);
  const inPieces = gradientModel(model, keys, seed, parallelLowering);
  const results = [...evaluate(gradients, feeds).values()];
  lower(builder, portable);
  const scalar = (changed: ReadonlyMap<string, RefTensor>): number => {
    const [out] = evaluate(model, changed).values();
    return r.reduce((sum, weight, i) => sum + weight * Number(out.data[i]), 0);
  };
  keys.forEach((key, k) => {
    const input = feeds.get(key);
    const result = results[k];
    if (!input || !result) throw new Error(`${name}: ${key} is missing`);
    expect(result.dims, `${name}: dims of the gradient of ${key}`).toEqual(input.dims);
    const own = Float64Array.from(input.data as Float64Array);
    const numeric = own.map((v, i) => {
      const h = 1e-5;
      const at = (x: number): number => {
        const copy = Float64Array.from(own);
        copy[i] = x;
        return scalar(new Map([...feeds, [key, real(input.dims, copy)]]));
      };
      return (at(v + h) - at(v - h)) / (2 * h);
    });
    const scale = numeric.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-3);
    const tolerance = (test.tolerance ?? 1e-7) * scale;
    for (let i = 0; i < numeric.length; i++)
      if (!(Math.abs(Number(result.data[i]) - numeric[i]) <= tolerance))
        expect.fail(
          `${name}: gradient of ${key}[${i}] is ${result.data[i]}, central difference ${numeric[i]} (allowed ${tolerance})`,
        );
  });
  if (test.runs === false) return;
  await expectInRuntime(name, gradients, feeds, results);
  if (inBlocks) await expectInRuntime(`${name}, blocked`, inBlocks, feeds, results);
  await expectInRuntime(`${name}, parallel`, inPieces, feeds, results);
}

// Kernels warn of attributes that newer operators dropped, whatever the session's own level is.
env.logLevel = 'error';

/** The blocked lowering, where this machine has its kernels. */
const blocked: Promise<Lowering | undefined> = (async () => {
  const engine = await createEngine();
  try {
    const block = await channelBlock(engine);
    return block === undefined ? undefined : blockedLowering(block);
  } finally {
    await engine.close();
  }
})();

/** Float32 beside float64, relative to the largest value: some roundings, more where sums cancel. */
const FLOAT32 = 2e-5;
/** The scale of gradients that are small everywhere, which keep the error of what cancelled in them. */
const LEAST_SCALE = 1e-2;

/** That the graph is one ONNX Runtime takes, and that it computes there what the interpreter says. */
async function expectInRuntime(
  name: string,
  model: Model,
  feeds: ReadonlyMap<string, RefTensor>,
  expected: readonly RefTensor[],
): Promise<void> {
  const session = await InferenceSession.create(encodeModel(model), {
    graphOptimizationLevel: 'disabled',
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const wanted = new Set(session.inputNames);
  const inputs = [...feeds].filter(([key]) => wanted.has(key));
  const results = await session.run(
    Object.fromEntries(
      inputs.map(([key, t]) => [key, new OrtTensor('float32', Float32Array.from(t.data, Number), t.dims)]),
    ),
  );
  expected.forEach((exact, k) => {
    const { data, dims } = results[model.graph.outputs[k].name];
    expect(dims, `${name}: dims in ONNX Runtime`).toEqual(exact.dims);
    const numbers = Array.from<number | bigint, number>(exact.data, Number);
    const scale = numbers.reduce((m, v) => Math.max(m, Math.abs(v)), LEAST_SCALE);
    numbers.forEach((v, i) => {
      if (!(Math.abs(Number(data[i]) - v) <= FLOAT32 * scale))
        expect.fail(`${name}: [${i}] is ${data[i]} in ONNX Runtime, ${v} in float64`);
    });
  });
  await session.release();
}

/** A copy of the model, brought to the opset of training graphs, with the gradients of Σ r·y as its outputs. */
function gradientModel(source: Model, inputs: readonly string[], r: Tensor, lowering: Lowering): Model {
  const model = cloneModel(source);
  upgradeOpset(model, TRAINING_OPSET);
  const { graph } = model;
  const b = new GraphBuilder(graph, TRAINING_OPSET, { infer: inferTrained });
  const [y] = graph.outputs;
  const wanted = inputs.map((name) => {
    const value = graph.inputs.find((v) => v.name === name);
    if (!value) throw new Error(`input '${name}' was lost`);
    return value;
  });
  const gradients = differentiate(b, new Map([[y, b.constant(r)]]), wanted);
  graph.removeOutput(y);
  for (const value of wanted) {
    const g = gradients.get(value);
    if (!g) throw new Error(`no gradient of ${value.name}`);
    graph.addOutput(b.op('Identity', [g], {}, { name: `gradient/${value.name}` }));
  }
  lowering.lower(b, []);
  for (const [domain, version] of lowering.opsets) model.opsets.set(domain, version);
  const known = new Set(['', ...lowering.opsets.keys()]);
  expect(
    graph.nodes.filter((n) => !known.has(n.domain)).map((n) => n.opType),
    `operators of ${[...known]} only`,
  ).toEqual([]);
  return model;
}

/** Values away from the given kinks by at least 0.05, so that a central difference sees one side. */
export function offKinks(dims: readonly number[], kinks: readonly number[], spread = 2): Draw {
  return {
    dims,
    value: (normal) => {
      for (;;) {
        const v = normal() * spread;
        if (kinks.every((k) => Math.abs(v - k) > 0.05)) return v;
      }
    },
  };
}
