import { Graph, Model, type Node, type Tensor, type Value, withOutputs } from '../../onnx/index.js';
import type { Engine } from '../engine.js';
import { bytesOf } from '../ort/step-memory.js';
import { differenceOf, largestSize, sizesOf } from './difference.js';
import { distinctNodes } from './distinct-nodes.js';

/** A node that a device computes otherwise than the reference does from the same inputs. */
export interface OperatorDifference {
  readonly node: string;
  readonly op: string;
  readonly output: string;
  /** The largest difference ÷ the scale: the largest size of a result, or of what is added up for one. */
  readonly relative: number;
}

/** Operators that add up products or elements: how exact a sum is depends on the size of its terms. */
const SUMS: ReadonlySet<string> = new Set([
  'AveragePool',
  'Conv',
  'ConvTranspose',
  'Einsum',
  'Gemm',
  'GlobalAveragePool',
  'MatMul',
  'ReduceMean',
  'ReduceSum',
]);

/** Likewise, of two terms. */
const DIFFERENCES: ReadonlySet<string> = new Set(['Add', 'Sub']);

/** Ends the names of results: an input of one node may be what another gives. */
const RESULT = ' (result)';

/** Tensors of so many bytes are compared at a time; each time takes a run of the whole model on the reference. */
const CHUNK = 2 ** 28;

/**
 * Runs each distinct operation of a model on a device, alone, on the values that it has in a run on the reference, and
 * compares its results: rounding does not add up from node to node, so a limit can be tight.
 * @param operations the nodes to compare; default: all distinct ones
 * @returns every result, the worst first
 */
export async function compareOperators(
  device: Engine,
  reference: Engine,
  model: Model,
  feeds: ReadonlyMap<string, Tensor>,
  operations: Iterable<Node> = distinctNodes(model).values(),
): Promise<OperatorDifference[]> {
  const found: OperatorDifference[] = [];
  for (const nodes of chunks(operations))
    found.push(...(await compareNodes(device, reference, model, feeds, nodes)));
  return found.sort((a, b) => b.relative - a.relative);
}

async function compareNodes(
  device: Engine,
  reference: Engine,
  model: Model,
  feeds: ReadonlyMap<string, Tensor>,
  nodes: readonly Node[],
): Promise<OperatorDifference[]> {
  const values = await valuesOf(reference, model, feeds, nodes);
  const alone = side(model, nodes);
  const inputs = new Map(
    alone.graph.inputs.map(({ name }): [string, Tensor] => {
      const value = values.get(name);
      if (!value) throw new Error(name);
      return [name, value];
    }),
  );
  const magnitudes = await magnitudesOf(reference, model, nodes, values);
  const session = await device.session(alone);
  try {
    const results = await session.run(inputs);
    return nodes.flatMap((node) =>
      node.outputs.flatMap(({ name }) => {
        const [expected, got] = [values.get(name), results.get(`${name}${RESULT}`)];
        if (!expected || !got) return [];
        const relative = differenceOf(expected, got, magnitudes.get(name));
        return [{ node: node.name, op: node.opType, output: name, relative }];
      }),
    );
  } finally {
    await session.release();
  }
}

/** How large the terms of sums are, by output: the largest of what the same sum over their sizes gives. */
async function magnitudesOf(
  reference: Engine,
  model: Model,
  nodes: readonly Node[],
  values: ReadonlyMap<string, Tensor>,
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const tensorOf = (v: Value): Tensor | undefined => v.initializer ?? values.get(v.name);
  for (const node of nodes.filter((n) => DIFFERENCES.has(n.opType)))
    found.set(
      node.output().name,
      Math.max(
        ...node.inputs.map((v) => {
          const t = v && tensorOf(v);
          return t ? largestSize(t) : 0;
        }),
      ),
    );
  const sums = nodes.filter((n) => SUMS.has(n.opType));
  if (sums.length === 0) return found;
  const alone = side(model, sums);
  for (const v of alone.graph.initializers) {
    const sizes = v.initializer && sizesOf(v.initializer);
    if (sizes) alone.graph.setInitializer(v, sizes);
  }
  const session = await reference.session(alone, { optimization: 'none' });
  try {
    const feeds = new Map(
      alone.graph.inputs.flatMap((v): [string, Tensor][] => {
        const tensor = values.get(v.name);
        return tensor ? [[v.name, sizesOf(tensor)]] : [];
      }),
    );
    const results = await session.run(feeds);
    for (const node of sums) {
      const { name } = node.output();
      const result = results.get(`${name}${RESULT}`);
      if (result) found.set(name, largestSize(result));
    }
  } finally {
    await session.release();
  }
  return found;
}

/** What the nodes take and give in a run on the reference. */
async function valuesOf(
  reference: Engine,
  model: Model,
  feeds: ReadonlyMap<string, Tensor>,
  nodes: readonly Node[],
): Promise<Map<string, Tensor>> {
  const names = new Set(nodes.flatMap((n) => [...made(n), ...n.outputs].map((v) => v.name)));
  names.delete('');
  const wanted = [...names].filter((name) => !feeds.has(name));
  const session = await reference.session(withOutputs(model, wanted), { optimization: 'none' });
  try {
    return new Map([...feeds, ...(await session.run(feeds, wanted))]);
  } finally {
    await session.release();
  }
}

/** Inputs that are no constants. */
function made(node: Node): Value[] {
  return node.inputs.filter((v): v is Value => v !== undefined && v.initializer === undefined);
}

/** The nodes side by side: each reads inputs of the graph and constants only, and gives outputs of the graph. */
function side({ opset, irVersion, opsets }: Model, nodes: readonly Node[]): Model {
  const graph = new Graph('operators');
  const read = new Map<string, Value>();
  const inputOf = (v: Value): Value => {
    const known = read.get(v.name);
    if (known) return known;
    const value = v.initializer
      ? graph.addInitializer(v.name, v.initializer)
      : graph.addInput(v.name, v.type);
    read.set(v.name, value);
    return value;
  };
  for (const node of nodes) {
    const copy = graph.addNode({
      opType: node.opType,
      domain: node.domain,
      name: node.name,
      inputs: node.inputs.map((v) => v && inputOf(v)),
      outputs: node.outputs.map((v) => (v.name === '' ? '' : `${v.name}${RESULT}`)),
      attributes: Object.fromEntries(node.attributes),
    });
    node.outputs.forEach((v, i) => {
      if (v.name === '') return;
      copy.outputs[i].type = v.type;
      graph.addOutput(copy.outputs[i]);
    });
  }
  const model = new Model(graph, opset, irVersion);
  for (const [domain, version] of opsets) model.opsets.set(domain, version);
  return model;
}

function* chunks(nodes: Iterable<Node>): Generator<Node[]> {
  let [chunk, bytes]: [Node[], number] = [[], 0];
  let held = new Set<Value>();
  for (const node of nodes) {
    const values = [...made(node), ...node.outputs];
    const more = values.filter((v) => !held.has(v)).reduce((sum, v) => sum + bytesOf(v), 0);
    if (chunk.length > 0 && bytes + more > CHUNK) {
      yield chunk;
      [chunk, bytes, held] = [[], 0, new Set()];
    }
    chunk.push(node);
    bytes += more;
    for (const v of values) held.add(v);
  }
  if (chunk.length > 0) yield chunk;
}
