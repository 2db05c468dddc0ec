/** Ops that change only the dims, and those that tell them. */
import { axesOf, normalizeAxes, sizeOf } from '../../../onnx/index.js';
import type { Call } from '../call.js';
import type { Compute } from '../rule.js';

/** A 0 copies the input's dim (unless allowzero), a −1 is what remains. */
export const reshape: Compute = (call) => {
  const x = call.input(0);
  const copyZero = call.node.int('allowzero', 0) === 0;
  const dims = call.numbers(1).map((d, i) => (d === 0 && copyZero ? x.shape[i] : d));
  const known = sizeOf(dims.filter((d) => d !== -1));
  const full = dims.map((d) => (d === -1 ? (known === 0 ? 0 : x.size / known) : d));
  if (sizeOf(full) !== x.size) call.fail('shape', `${x.size} elements, as [${x.shape}] has`, `[${dims}]`);
  return x.reshape(full);
};

export const flatten: Compute = (call) => {
  const x = call.input(0);
  const given = call.node.int('axis', 1);
  const axis = given < 0 ? given + x.rank : given;
  return x.reshape([sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis))]);
};

/** Given axes, from 0; undefined: none are given. */
function givenAxes(call: Call, rank: number): number[] | undefined {
  const axes = axesOf(call.node, call.known);
  return axes === undefined || axes === 'absent' ? undefined : normalizeAxes(call.node, axes, rank);
}

export const squeeze: Compute = (call) => {
  const x = call.input(0);
  const axes = givenAxes(call, x.rank);
  for (const a of axes ?? []) if (x.shape[a] !== 1) call.fail(`dim of axis ${a}`, '1', `${x.shape[a]}`);
  return x.reshape(x.shape.filter((d, i) => (axes ? !axes.includes(i) : d !== 1)));
};

/** Axes count in the output's rank. */
export const unsqueeze: Compute = (call) => {
  const x = call.input(0);
  const raw = axesOf(call.node, call.known);
  const count = raw === undefined || raw === 'absent' ? call.fail('axes are missing') : raw.length;
  const axes = givenAxes(call, x.rank + count) ?? [];
  const rest = x.shape.values();
  return x.reshape(
    Array.from({ length: x.rank + count }, (_, i) => (axes.includes(i) ? 1 : Number(rest.next().value))),
  );
};

/** Dims from `start` to `end` (opset 15). */
export const shape: Compute = (call) => {
  const dims = call.input(0).shape;
  const clamp = (v: number): number => Math.min(dims.length, Math.max(0, v < 0 ? v + dims.length : v));
  const part = dims.slice(clamp(call.node.int('start', 0)), clamp(call.node.int('end', dims.length)));
  return call.tf.tensor(Int32Array.from(part), [part.length], 'int32');
};

export const size: Compute = (call) => call.tf.scalar(call.input(0).size, 'int32');
