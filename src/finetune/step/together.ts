/**
 * Work on many small 1-D values as on one: laid end to end, computed, and cut apart again. What is computed must be element by
 * element.
 */
import type { GraphBuilder, Value } from '../../onnx/index.js';

/** Results of one Split: WebGPU promises 8 buffers to a kernel, and its input is one. */
const PIECES = 7;

/**
 * Computes something of every item, together for those of up to `most` values and equal keys; larger ones are alone.
 * @param compute gives a result for each item of a group, in order
 * @returns the results in the order of the items
 */
export function mapTogether<T, R>(
  items: readonly T[],
  most: number,
  about: (item: T) => { readonly size: number; readonly key: string },
  compute: (group: readonly T[]) => readonly R[],
): R[] {
  const groups: number[][] = [];
  const open = new Map<string, number[]>();
  for (const [i, item] of items.entries()) {
    const { size, key } = about(item);
    const known = size <= most ? open.get(key) : undefined;
    if (known) {
      known.push(i);
      continue;
    }
    const group = [i];
    groups.push(group);
    if (size <= most) open.set(key, group);
  }
  const results: R[] = [];
  for (const group of groups)
    for (const [j, result] of compute(group.map((i) => items[i])).entries()) results[group[j]] = result;
  return results;
}

/** A 1-D value of each item, one after the other. */
export function endToEnd<T>(b: GraphBuilder, items: readonly T[], of: (item: T) => Value): Value {
  const values = items.map(of);
  return values.length === 1 ? values[0] : b.op('Concat', values, { axis: 0 });
}

/** A 1-D value in pieces of the given sizes, by Splits of few results each. */
export function apart(b: GraphBuilder, v: Value, sizes: readonly number[]): readonly Value[] {
  if (sizes.length === 1) return [v];
  const each = Math.ceil(sizes.length / PIECES);
  const lists: (readonly number[])[] = [];
  for (let i = 0; i < sizes.length; i += each) lists.push(sizes.slice(i, i + each));
  const totals = lists.map((list) => list.reduce((sum, n) => sum + n, 0));
  const parts = b.ops('Split', [v, b.i64(totals)], { axis: 0 }, { outputs: totals.length });
  return parts.flatMap((part, i) => apart(b, part, lists[i]));
}
