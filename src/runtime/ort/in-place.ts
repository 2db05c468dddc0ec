/**
 * Which state of a step graph the runtime may write over the old value while it runs, so that it is held once instead of
 * twice. The runtime knows nothing of it: it reads an input and fills an output, and they are the same memory. That is
 * right when every node that reads the old value has run before the node that makes the new one, in whatever order the
 * runtime takes: it is one of its ancestors, or the node itself where it computes element by element.
 *
 * The runtime's graph optimizer joins nodes: a Transpose or a product by a number moves into a later product of matrices,
 * which then reads the old value itself. So what reads a rearranged or scaled old value counts as its reader, too.
 */
import type { Graph, Node, Value } from '../../onnx/index.js';
import type { StateBinding } from '../engine.js';
import { runOrder } from './memory-plan.js';

/** Element by element, of two values: an element is read before it is written. */
const BINARY = new Set(['Add', 'Sub', 'Mul', 'Div']);
/** The same elements in the same order. */
const VIEWS = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Identity']);
/** The runtime's optimizer may join these with what reads their result. */
const JOINED = new Set([
  ...BINARY,
  ...VIEWS,
  'Transpose',
  'Cast',
  'Slice',
  'Split',
  'Concat',
  'Pad',
  'Neg',
  'Sqrt',
]);

/** Node that has to come before `writer`, which makes the new value of state `input`. */
interface Demand {
  readonly input: string;
  readonly reader: Node;
}

/** Names of the state inputs that may be overwritten by their outputs. The graph has no sub-graphs, or none may. */
export function overwritable(graph: Graph, state: readonly StateBinding[]): ReadonlySet<string> {
  if (graph.nodes.some((n) => n.subgraphs.length > 0)) return new Set();
  const demands: Demand[] = [];
  const writers = new Map<Node, string[]>();
  const found = new Set<string>();
  for (const { input, output } of state) {
    const [before, after] = [graph.find(input), graph.find(output)];
    const writer = after?.producer;
    if (!before || !after || !writer || VIEWS.has(writer.opType) || !sameDims(before, after)) continue;
    const readers = readersOf(before, writer);
    if (!readers) continue;
    found.add(input);
    demands.push(...readers.map((reader) => ({ input, reader })));
    writers.set(writer, [...(writers.get(writer) ?? []), input]);
  }
  for (const input of unmet(graph, demands, writers)) found.delete(input);
  return found;
}

/** All nodes but `writer` that read the value, also rearranged or scaled; undefined when `writer` reads it out of order. */
function readersOf(value: Value, writer: Node): Node[] | undefined {
  const readers = new Set<Node>();
  const stack = [{ value, ordered: true }];
  for (let next = stack.pop(); next; next = stack.pop())
    for (const { node } of next.value.uses) {
      if (node === writer) {
        if (!BINARY.has(writer.opType) || !next.ordered) return undefined;
        continue;
      }
      if (readers.has(node)) continue;
      readers.add(node);
      if (!JOINED.has(node.opType)) continue;
      const ordered = next.ordered && (VIEWS.has(node.opType) || BINARY.has(node.opType));
      for (const v of node.outputs) stack.push({ value: v, ordered });
    }
  return [...readers];
}

/** State whose demands are not all met: a reader that the writer does not wait for. */
function unmet(
  graph: Graph,
  demands: readonly Demand[],
  writers: ReadonlyMap<Node, readonly string[]>,
): Set<string> {
  const words = Math.ceil(demands.length / 32);
  const of = new Map<string, number[]>();
  const at = new Map<Node, number[]>();
  for (const [i, { input, reader }] of demands.entries()) {
    push(of, input, i);
    push(at, reader, i);
  }
  const failed = new Set<string>();
  /** Demands whose readers are the node or ancestors of it, one bit each. */
  const met = new Map<Node, Uint32Array>();
  for (const node of runOrder(graph)) {
    const bits = new Uint32Array(words);
    for (const producer of new Set(node.inputs.map((v) => v?.producer))) {
      const theirs = producer && met.get(producer);
      if (theirs) for (let w = 0; w < words; w++) bits[w] |= theirs[w];
    }
    for (const i of at.get(node) ?? []) bits[i >>> 5] |= 1 << (i & 31);
    met.set(node, bits);
    for (const input of writers.get(node) ?? [])
      if (!(of.get(input) ?? []).every((i) => bits[i >>> 5] & (1 << (i & 31)))) failed.add(input);
  }
  return failed;
}

function push<K>(lists: Map<K, number[]>, key: K, i: number): void {
  const list = lists.get(key);
  if (list) list.push(i);
  else lists.set(key, [i]);
}

function sameDims(a: Value, b: Value): boolean {
  const [x, y] = [a.shape, b.shape];
  return x !== undefined && y !== undefined && `${x}` === `${y}`;
}
