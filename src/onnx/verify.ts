import { ModelError } from '../base/errors.js';
import { allGraphs } from './codec/names.js';
import { byteSize } from './ir/dtype.js';
import { type Graph, readsOf } from './ir/graph.js';
import type { Model } from './ir/model.js';
import type { Node } from './ir/node.js';
import type { Tensor } from './ir/tensor.js';
import type { Value } from './ir/value.js';

/** Versions of the file format that the pinned runtime reads. */
export const IR_VERSIONS = { first: 3, last: 13 } as const;

/** Versions of the default operator set that the pinned runtime supports. */
export const OPSETS = { first: 1, last: 26 } as const;

/**
 * Checks a model's structure: versions and imports, every value defined once and before it is read, both ends of every
 * edge in step, outputs present, tensors as long as their dims say. Operators' own rules (inputs, attributes, shapes) are
 * not looked at. Iterative: neither long chains nor deep nesting can overflow the stack. Linear in the size of the model;
 * reads no external data.
 * @throws ModelError naming the file, the graph or node, and what is wrong
 */
export function verifyModel(model: Model): void {
  const where = model.source ?? 'the model';
  versions(model, where);
  const graphs = allGraphs(model.graph);
  const all = new Set(graphs);
  if (model.graph.outputs.length === 0)
    throw new ModelError({ problem: `${where}: the graph has no outputs`, expected: 'at least one' });
  for (const graph of graphs) {
    const at = graph === model.graph ? where : `${where}: graph '${graph.name}'`;
    values(graph, at);
    edges(graph, at);
    domains(graph, model, at);
    order(graph, all, at);
  }
}

function versions(model: Model, where: string): void {
  const { irVersion: ir } = model;
  if (!(Number.isInteger(ir) && ir >= IR_VERSIONS.first && ir <= IR_VERSIONS.last))
    throw new ModelError({
      problem: `${where}: ir_version ${ir === 0 ? 'is missing' : 'is not supported'}`,
      expected: `${IR_VERSIONS.first} to ${IR_VERSIONS.last}`,
      found: `${ir}`,
    });
  if (model.opsets.size === 0)
    throw new ModelError({
      problem: `${where} imports no operator set (opset_import)`,
      expected: 'at least ai.onnx',
    });
  for (const [domain, version] of model.opsets) {
    const last = domain === '' ? OPSETS.last : Number.MAX_SAFE_INTEGER;
    if (!(Number.isInteger(version) && version >= OPSETS.first && version <= last))
      throw new ModelError({
        problem: `${where}: opset version of domain '${domain || 'ai.onnx'}'`,
        expected: domain === '' ? `${OPSETS.first} to ${OPSETS.last}` : `at least ${OPSETS.first}`,
        found: `${version}`,
      });
  }
}

/** Each value has one owner, knows it, and says truly what it is. */
function values(graph: Graph, where: string): void {
  const inputs = new Set(graph.inputs);
  if (inputs.size !== graph.inputs.length)
    throw new ModelError({ problem: `${where}: a graph input is listed twice` });
  for (const v of graph.inputs) {
    if (v.graph !== graph || !v.isInput) broken(where, v, 'is an input, but does not know it');
    if (v.producer) broken(where, v, `is an input and an output of ${v.producer.describe()}`);
  }
  for (const v of graph.initializers) {
    if (v.graph !== graph || !v.initializer) broken(where, v, 'is an initializer, but does not know it');
    if (v.producer) broken(where, v, `is an initializer and an output of ${v.producer.describe()}`);
    if (v.initializer) tensor(v.initializer, `${where}: initializer '${v.name}'`);
  }
  const nodes = new Set<Node>();
  const made = new Set<Value>();
  for (const node of graph.nodes) {
    if (nodes.has(node)) throw new ModelError({ problem: `${where}: ${node.describe()} is listed twice` });
    nodes.add(node);
    if (node.graph !== graph)
      throw new ModelError({ problem: `${where}: ${node.describe()} does not know its graph` });
    if (node.opType === '')
      throw new ModelError({
        problem: `${where}: node '${node.name || node.outputs[0]?.name}' has an empty op_type`,
      });
    for (const v of node.outputs) {
      if (made.has(v)) broken(where, v, `is made twice, the second time by ${node.describe()}`);
      made.add(v);
      if (v.producer !== node || v.graph !== graph)
        broken(where, v, `is made by ${node.describe()}, but does not know it`);
    }
    for (const [name, a] of node.attributes) {
      const at = `${where}: ${node.describe()}: attribute '${name}'`;
      if (a.type === 'tensor') tensor(a.value, at);
      if (a.type === 'tensors') for (const t of a.value) tensor(t, at);
      const inner = a.type === 'graph' ? [a.value] : a.type === 'graphs' ? a.value : [];
      for (const g of inner)
        if (g.outer !== graph)
          throw new ModelError({ problem: `${at}: graph '${g.name}' belongs to another graph` });
    }
  }
}

function broken(where: string, value: Value, what: string): never {
  throw new ModelError({ problem: `${where}: value '${value.name}' ${what}` });
}

/** Uses and inputs agree. */
function edges(graph: Graph, where: string): void {
  for (const node of graph.nodes)
    for (const [i, v] of node.inputs.entries())
      if (v && !v._uses.get(node)?.has(i))
        broken(where, v, `does not know that input ${i} of ${node.describe()} reads it`);
  for (const v of graph.values())
    for (const [node, indices] of v._uses)
      for (const i of indices) {
        if (node.inputs[i] !== v) broken(where, v, `believes that input ${i} of ${node.describe()} reads it`);
        if (!node.graph) broken(where, v, `is read by ${node.describe()}, which is in no graph`);
      }
}

function domains(graph: Graph, model: Model, where: string): void {
  for (const node of graph.nodes)
    if (!model.opsets.has(node.domain))
      throw new ModelError({
        problem: `${where}: ${node.describe()} is of domain '${node.domain || 'ai.onnx'}', which the model does not import`,
        found: `imports of ${[...model.opsets.keys()].map((d) => d || 'ai.onnx').join(', ')}`,
      });
}

/** Everything read is in reach, and made before. */
function order(graph: Graph, all: ReadonlySet<Graph>, where: string): void {
  const outers = new Set<Graph>();
  for (let g: Graph | undefined = graph; g; g = g.outer) outers.add(g);
  const reachable = (v: Value, reader: string): void => {
    if (v.graph && outers.has(v.graph)) {
      if (v.isInput || v.initializer || v.producer) return;
      broken(where, v, `is read by ${reader}, but nothing defines it`);
    }
    const place =
      v.graph && all.has(v.graph) ? `is inside graph '${v.graph.name}'` : 'is in no graph of the model';
    broken(where, v, `${place}, out of reach of ${reader}`);
  };
  const done = new Set<Node>();
  for (const node of graph.nodes) {
    for (const v of node.inputs) if (v) reachable(v, node.describe());
    for (const v of readsOf(node))
      if (v.graph === graph && v.producer && !done.has(v.producer))
        broken(
          where,
          v,
          `is read by ${node.describe()} before ${v.producer.describe()} makes it (a cycle, or nodes out of order)`,
        );
    done.add(node);
  }
  for (const v of graph.outputs) {
    reachable(v, 'the graph outputs');
    if (!v._outputOf.has(graph)) broken(where, v, 'is a graph output, but does not know it');
  }
}

/** Checked without reading the data: external lengths were compared with the file when it was opened. */
function tensor(t: Tensor, where: string): void {
  if (t.dims.some((d) => !Number.isSafeInteger(d) || d < 0))
    throw new ModelError({ problem: `${where}: dims [${t.dims}]`, expected: 'whole numbers from 0' });
  const { storage } = t;
  if (storage.kind === 'strings') {
    if (t.dataType !== 'string' || storage.values.length !== t.size)
      throw new ModelError({
        problem: `${where}: ${t.dataType} [${t.dims}]`,
        expected: `${t.size} elements`,
        found: `${storage.values.length} strings`,
      });
    return;
  }
  if (storage.kind !== 'bytes') return;
  const size = byteSize(t.dataType, t.size);
  if (t.dataType === 'string' ? t.size > 0 : storage.bytes.byteLength !== size)
    throw new ModelError({
      problem: `${where}: ${t.dataType} [${t.dims}]`,
      expected: `${size} bytes`,
      found: `${storage.bytes.byteLength}`,
    });
}
