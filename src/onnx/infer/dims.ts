/** Arithmetic on dims of which some are names (symbolic) or unknown. */

import type { Node } from '../ir/node.js';
import type { Dim } from '../ir/types.js';
import { refuse, showDims } from '../ops/fail.js';

export type Shape = readonly Dim[];

/** Ranks above this are taken for a lie about a list's length, and not allocated. */
const MAX_RANK = 64;

/** A list of unknown dims; undefined where not even the rank is known, or it can be none. */
export function unknownDims(rank: Dim | undefined): Dim[] | undefined {
  if (typeof rank !== 'number' || rank < 0 || rank > MAX_RANK) return undefined;
  return new Array<Dim>(rank).fill(null);
}

/** What two statements about one dim give together; `clash` when they cannot both hold. */
export function meetDim(a: Dim, b: Dim): Dim | 'clash' {
  if (typeof a === 'number' && typeof b === 'number') return a === b ? a : 'clash';
  if (typeof a === 'number') return a;
  return typeof b === 'number' ? b : (a ?? b);
}

/** What holds whichever of the two is true. */
export function joinDim(a: Dim, b: Dim): Dim {
  return a === b ? a : null;
}

/** Two dims that must be equal. @throws ModelError when they are different numbers */
export function sameDim(node: Node, what: string, a: Dim, b: Dim): Dim {
  const d = meetDim(a, b);
  return d === 'clash' ? refuse(node, what, `${a}`, `${b}`) : d;
}

/** One axis of numpy broadcasting. */
function broadcastDim(a: Dim, b: Dim): Dim | 'clash' {
  if (a === b) return a;
  if (a === 1) return b;
  if (b === 1) return a;
  if (typeof a === 'number') return typeof b === 'number' ? 'clash' : a;
  if (typeof b === 'number') return b;
  return null;
}

/** Multidirectional broadcasting, aligned at the last axis. @throws ModelError when the shapes do not go together */
export function broadcast(node: Node, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  const out: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    const x = i < rank - a.length ? 1 : a[i - (rank - a.length)];
    const y = i < rank - b.length ? 1 : b[i - (rank - b.length)];
    const d = broadcastDim(x, y);
    if (d === 'clash') refuse(node, 'inputs', 'shapes that broadcast', `${showDims(a)} and ${showDims(b)}`);
    out.push(d);
  }
  return out;
}

/** Whether `from` broadcasts to `to` without changing it, as far as is known. */
export function broadcastsTo(from: Shape, to: Shape): boolean {
  if (from.length > to.length) return false;
  const shift = to.length - from.length;
  return from.every((d, i) => {
    const t = to[i + shift];
    return typeof d !== 'number' || d === 1 || typeof t !== 'number' || d === t;
  });
}

export function sumDims(dims: Shape): Dim {
  if (dims.length === 1) return dims[0];
  let sum = 0;
  for (const d of dims) {
    if (typeof d !== 'number') return null;
    sum += d;
  }
  return sum;
}

/** Product of dims: a number, one name when the others are 1, or null. */
export function productDims(dims: Shape): Dim {
  let product = 1;
  let name: string | undefined;
  let open = false;
  for (const d of dims) {
    if (typeof d === 'number') product *= d;
    else if (d === null || name !== undefined) open = true;
    else name = d;
  }
  if (product === 0) return 0;
  if (open) return null;
  if (name === undefined) return product;
  return product === 1 ? name : null;
}

/** The one dim x for which the product of `rest` and x is the product of `all`; null when it cannot be known. */
export function quotient(all: Shape, rest: Shape): Dim | 'inexact' {
  const left = [...all];
  let divisor = 1;
  for (const d of rest) {
    if (typeof d === 'number') divisor *= d;
    else {
      // An unknown dim equals nothing, not even another unknown one.
      const i = d === null ? -1 : left.indexOf(d);
      if (i < 0) return null;
      left.splice(i, 1);
    }
  }
  let product = 1;
  const names: Dim[] = [];
  for (const d of left) {
    if (typeof d === 'number') product *= d;
    else names.push(d);
  }
  if (divisor === 0) return null;
  if (names.length === 0) return product % divisor === 0 ? product / divisor : 'inexact';
  return names.length === 1 && product === divisor ? names[0] : null;
}
