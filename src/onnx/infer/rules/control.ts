/** If, Loop, Scan: types come from the sub-graphs. */
import type { Graph } from '../../ir/graph.js';
import type { Dim, ValueType } from '../../ir/types.js';
import { type InferContext, type InferRule, typed } from '../context.js';
import { joinDim } from '../dims.js';

/** If: the branch that a known condition takes; else what both branches agree on. */
export const branch: InferRule = (c) => {
  const condition = c.numbers(0)?.[0];
  const then = subgraph(c, 'then_branch');
  const other = subgraph(c, 'else_branch');
  if (condition !== undefined) return c.facts.graph(condition ? then : other, [], true);
  const a = c.facts.graph(then, [], false);
  const b = c.facts.graph(other, [], false);
  return c.node.outputs.map((_, i) => join(a[i], b[i]));
};

/** The sub-graph an If with a known condition runs. */
export function takenBranch(c: InferContext): Graph | undefined {
  const condition = c.numbers(0)?.[0];
  return condition === undefined ? undefined : subgraph(c, condition ? 'then_branch' : 'else_branch');
}

/**
 * Loop: inputs M, cond, v_initial…; body (iteration, cond, v…) → (cond, v…, scanned…). Carried values may change their
 * shape from turn to turn, so that only the body's own declarations count; scanned ones get an axis for the turns.
 */
export const loop: InferRule = (c) => {
  const body = subgraph(c, 'body');
  const carried = c.node.inputs.length - 2;
  const inputs = body.inputs.map((v, i): ValueType | undefined => {
    if (i === 0) return typed('int64', []);
    if (i === 1) return typed('bool', []);
    return v.type ?? typed(c.dataType(i), undefined);
  });
  const outputs = c.facts.graph(body, inputs, false).slice(1);
  return outputs.map((t, i) => {
    if (t?.kind !== 'tensor') return t;
    if (i < carried) return typed(t.dataType, body.outputs[i + 1]?.type === undefined ? undefined : t.shape);
    return typed(t.dataType, t.shape && [null, ...t.shape]);
  });
};

/** Scan: the declared types stand. */
export const scan: InferRule = (c) => c.node.outputs.map(() => undefined);

function subgraph(c: InferContext, name: string): Graph {
  const a = c.node.attributes.get(name);
  return a?.type === 'graph' ? a.value : c.refuse(`attribute ${name}`, 'a graph', a?.type ?? 'none');
}

function join(a: ValueType | undefined, b: ValueType | undefined): ValueType | undefined {
  if (a?.kind !== 'tensor' || b?.kind !== 'tensor' || a.dataType !== b.dataType) return undefined;
  const other = b.shape;
  if (!a.shape || !other || a.shape.length !== other.length) return typed(a.dataType, undefined);
  return typed(
    a.dataType,
    a.shape.map((d, i): Dim => joinDim(d, other[i])),
  );
}
