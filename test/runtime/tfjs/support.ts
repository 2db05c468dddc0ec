/** One op on TensorFlow.js, in this thread, beside the float64 interpreter. */
import { expect } from 'vitest';
import { type Model, Tensor } from '../../../src/onnx/index.js';
import { evaluate, fromTensor, type RefTensor, toNumbers } from '../../../src/runtime/reference/index.js';
import { checkSupported } from '../../../src/runtime/tfjs/check.js';
import { Program } from '../../../src/runtime/tfjs/program.js';
import { fromTf, toTf } from '../../../src/runtime/tfjs/tensors.js';
import type { Tf } from '../../../src/runtime/tfjs/tf.js';
import { expectClose } from '../../support/close.js';
import { type OpCase, opModel } from '../reference/against-ort.js';

/** The model's outputs, computed by TensorFlow.js. Nothing of it stays in memory. */
export function computed(tf: Tf, model: Model, feeds: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  checkSupported(model);
  const before = tf.memory().numTensors;
  const program = new Program(tf, model);
  const inputs = new Map(Array.from(feeds, ([name, t]) => [name, toTf(tf, name, t, t.bytes().slice())]));
  const outputs = program.run(inputs, program.outputNames);
  const results = new Map(
    Array.from(outputs, ([name, t]) => {
      const { dataType, dims, buffer } = fromTf(t, program.outputType(name));
      return [name, Tensor.raw(dataType, dims, new Uint8Array(buffer))];
    }),
  );
  for (const [name, t] of inputs) {
    const fed = feeds.get(name);
    const now = fed && new Uint8Array(fromTf(t, fed.dataType).buffer);
    expect(now, `${name} is written to`).toEqual(fed && Uint8Array.from(fed.bytes()));
  }
  for (const t of [...inputs.values(), ...outputs.values()]) t.dispose();
  program.dispose();
  expect(tf.memory().numTensors, 'tensors left behind').toBe(before);
  return results;
}

/**
 * Compares all outputs of a model with the float64 interpreter's: whole numbers exactly, floats to `tolerance` of the
 * largest value (default: a few roundings of float32).
 */
export function expectLikeReference(
  tf: Tf,
  model: Model,
  feeds: ReadonlyMap<string, Tensor>,
  what: string,
  tolerance = 1e-6,
): void {
  const exact = evaluate(
    model,
    new Map(Array.from(feeds, ([name, t]): [string, RefTensor] => [name, fromTensor(t)])),
  );
  for (const [name, got] of computed(tf, model, feeds)) {
    const expected = exact.get(name);
    if (!expected) throw new Error(`${what}: the interpreter gives no '${name}'`);
    expect([...got.dims], `${what}: dims of ${name}`).toEqual([...expected.dims]);
    const numbers = toNumbers(expected);
    const scale = numbers.reduce((m, v) => (Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m), 0);
    const [a, b] = finite(Float64Array.from<number | bigint>(got.typed(), Number), numbers, what);
    expectClose(a, b, { absolute: got.dataType === 'float32' ? tolerance * scale : 0 }, what);
  }
}

/** Infinities and NaN must stand in the same places; the rest is compared. */
function finite(a: Float64Array, b: Float64Array, what: string): [number[], number[]] {
  const at = Array.from(b.keys()).filter((i) => Number.isFinite(b[i]));
  for (const i of b.keys()) if (!Number.isFinite(b[i])) expect(a[i], `${what}: [${i}]`).toBe(b[i]);
  return [at.map((i) => a[i]), at.map((i) => b[i])];
}

/** As {@link expectLikeReference}, for one op. */
export function expectOp(tf: Tf, test: OpCase): void {
  const feeds = new Map(test.inputs.flatMap((t, i): [string, Tensor][] => (t ? [[`x${i}`, t]] : [])));
  const what = `${test.op} ${test.opset} ${JSON.stringify(test.attributes ?? {}, (_, v) => (typeof v === 'bigint' ? Number(v) : v))}`;
  expectLikeReference(tf, opModel(test), feeds, what, test.tolerance);
}
