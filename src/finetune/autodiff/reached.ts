import { UnsupportedError } from '../../base/errors.js';
import { type Node, readsOf, type Value } from '../../onnx/index.js';
import { isConstantOp } from './support.js';

/** How many tensors a message names. */
const NAMED = 5;

/**
 * @param nameOf what a wanted value is called in messages
 * @throws UnsupportedError naming the wanted values that the loss does not depend on, what reads them, and where the way
 *   to the loss ends
 */
export function checkReached(
  wanted: readonly Value[],
  reached: (v: Value) => boolean,
  nameOf: (v: Value) => string,
): void {
  const missing = wanted.filter((v) => !reached(v));
  if (missing.length === 0) return;
  const named = missing.slice(0, NAMED).map((v) => `'${nameOf(v)}'${fate(v)}`);
  const many = missing.length > 1;
  throw new UnsupportedError({
    problem: `the loss does not depend on ${missing.length} trainable tensor${many ? 's' : ''}: ${named.join(', ')}${missing.length > NAMED ? ', …' : ''}`,
    expected: 'every trainable tensor on a path of differentiable operators to the loss',
    hint: `leave ${many ? 'them as they are' : 'it as it is'} (--group 'NAME:frozen'), or remove the layers from the model; an auxiliary output counts with --aux NAME=WEIGHT`,
  });
}

/** What becomes of a value that does not reach the loss. */
function fate(value: Value): string {
  const [use] = value.uses;
  if (!use) return ', which nothing reads';
  const reader = ` of ${use.node.describe()}`;
  const end = endOfWay(value);
  return end ? `${reader} (no gradient goes through ${end.describe()}, which changes in steps)` : reader;
}

/** The first operator behind a value that gives its gradient an end: a constant one, or one that makes integers. */
function endOfWay(value: Value): Node | undefined {
  const seen = new Set<Value>([value]);
  for (const v of seen)
    for (const { node } of v.uses) {
      if (isConstantOp(node) || node.outputs.every((o) => !mayBeFloat(o))) return node;
      for (const o of node.outputs) seen.add(o);
    }
  return undefined;
}

/** Whether a value may have a gradient: it is a tensor of floats, or of an unknown type. */
export function mayBeFloat({ type }: Value): boolean {
  return type?.kind !== 'tensor' || type.dataType.startsWith('float');
}

/** Float values that depend on a wanted one, directly or in a sub-graph that reads it. */
export function reachableFrom(nodes: readonly Node[], wanted: readonly Value[]): Set<Value> {
  const active = new Set(wanted);
  for (const node of nodes) {
    if (isConstantOp(node) || !readsAny(node, active)) continue;
    for (const o of node.outputs) if (mayBeFloat(o)) active.add(o);
  }
  return active;
}

/** The nodes between active values and the seeds, in the graph's order. */
export function pathBack(
  nodes: readonly Node[],
  seeds: ReadonlyMap<Value, Value>,
  active: ReadonlySet<Value>,
): Set<Node> {
  const reached = new Set(seeds.keys());
  const path: Node[] = [];
  for (const node of [...nodes].reverse()) {
    if (!node.outputs.some((o) => reached.has(o) && active.has(o)) || !readsAny(node, active)) continue;
    path.push(node);
    for (const v of readsOf(node)) if (active.has(v)) reached.add(v);
  }
  return new Set(path.reverse());
}

function readsAny(node: Node, values: ReadonlySet<Value>): boolean {
  for (const v of readsOf(node)) if (values.has(v)) return true;
  return false;
}
