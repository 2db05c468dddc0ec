/** Pooling. Attributes and formulas: ops/pool.ts, ops/window.ts. */
import type { Dim } from '../../ir/types.js';
import { poolAttributes } from '../../ops/pool.js';
import { extent, windowOutput } from '../../ops/window.js';
import { type InferRule, typed } from '../context.js';
import { refuseWindow } from './conv.js';

/** MaxPool (with Indices), AveragePool, LpPool. */
export const pool: InferRule = (c) => {
  c.checkRank(0, 'rank 3 or more: [N, C, …spatial]', (r) => r >= 3);
  const a = poolAttributes(c.node);
  const x = c.shape(0);
  if (x && x.length !== a.kernel.length + 2)
    c.refuse('attribute kernel_shape', `${x.length - 2} numbers`, `[${a.kernel}]`);
  const spatial = x?.slice(2).map((d, i): Dim => {
    if (typeof d !== 'number') return null;
    const n = windowOutput(a, i, d, a.ceilMode);
    if (n <= 0 && d > 0) refuseWindow(c, i, d, extent(a, i));
    return n;
  });
  const shape = x && spatial && [x[0], x[1], ...spatial];
  return [typed(c.dataType(0), shape), typed('int64', shape)];
};

export const globalPool: InferRule = (c) => {
  c.checkRank(0, 'rank 2 or more: [N, C, …spatial]', (r) => r >= 2);
  const x = c.shape(0);
  return c.like(0, x && [x[0], x[1], ...x.slice(2).map(() => 1)]);
};
