/** Positions of largest and smallest elements along an axis. */
import type { RefRule } from '../call.js';
import { stridesOf } from '../strides.js';
import { produce, type RefTensor, toNumbers } from '../tensor.js';

function argBest(better: (a: number, b: number) => boolean): RefRule {
  return (call): RefTensor[] => {
    const { node } = call;
    const x = call.input(0);
    const values = toNumbers(x);
    const axis = call.axis(node.int('axis', 0), x.dims.length);
    const lastOfEqual = node.int('select_last_index', 0) === 1;
    const count = x.dims[axis];
    const step = stridesOf(x.dims)[axis];
    if (count === 0) call.fail('axis', 'at least one element', `0 on axis ${axis}`);
    const positions = new BigInt64Array(values.length / count);
    for (let i = 0; i < positions.length; i++) {
      const start = Math.floor(i / step) * step * count + (i % step);
      let best = 0;
      for (let j = 1; j < count; j++) {
        const v = values[start + j * step];
        const top = values[start + best * step];
        if (better(v, top) || (lastOfEqual && v === top)) best = j;
      }
      positions[i] = BigInt(best);
    }
    const kept = x.dims.map((d, i) => (i === axis ? 1 : d));
    const dims = node.int('keepdims', 1) !== 0 ? kept : kept.filter((_, i) => i !== axis);
    return [{ dataType: 'int64', dims, data: positions }];
  };
}

export const argMax = argBest((a, b) => a > b);
export const argMin = argBest((a, b) => a < b);

/** The k best along an axis, sorted; of equal ones the lower index first. */
export const topK: RefRule = (call) => {
  const { node } = call;
  const x = call.input(0);
  const values = toNumbers(x);
  const axis = call.axis(node.int('axis', -1), x.dims.length);
  const k = call.opset >= 10 ? call.scalar(1) : node.int('k', 0);
  const count = x.dims[axis];
  if (k < 0 || k > count) call.fail('k', `0 to ${count}`, `${k}`);
  const direction = node.int('largest', 1) !== 0 ? 1 : -1;
  const step = stridesOf(x.dims)[axis];
  const dims = x.dims.map((d, i) => (i === axis ? k : d));
  const chosen: number[] = new Array((values.length / Math.max(count, 1)) * k);
  for (let row = 0; row * k < chosen.length; row++) {
    const start = Math.floor(row / step) * step * count + (row % step);
    const order = Array.from({ length: count }, (_, j) => j);
    order.sort((a, b) => direction * (values[start + b * step] - values[start + a * step]) || a - b);
    const out = Math.floor(row / step) * step * k + (row % step);
    for (let j = 0; j < k; j++) chosen[out + j * step] = start + order[j] * step;
  }
  const best = produce(x, dims, (from, to) => {
    for (let i = 0; i < chosen.length; i++) to[i] = from[chosen[i]];
  });
  const positions = BigInt64Array.from(chosen, (at) => BigInt(Math.floor(at / step) % count));
  return [best, { dataType: 'int64', dims, data: positions }];
};
