import { ModelError } from '../../base/errors.js';
import type { Graph } from '../ir/graph.js';
import type { Node } from '../ir/node.js';
import type { Value } from '../ir/value.js';
import { encodeAttribute } from './encode-attribute.js';
import { encodeSparse, encodeTensor, type Place } from './encode-tensor.js';
import { encodeType } from './encode-type.js';
import { writeEntries } from './entries.js';
import {
  type AnnotationMessage,
  changed,
  type GraphMessage,
  type NodeMessage,
  type SparseTensorMessage,
  type TensorMessage,
  type ValueInfoMessage,
} from './messages.js';
import { GraphWire, NodeWire, type SecondEntry, ValueWire } from './wire.js';

/** @param names every value of the model with the name to write, as {@link nameValues} gives them */
export function encodeGraph(graph: Graph, names: ReadonlyMap<Value, string>, place: Place): GraphMessage {
  return new GraphEncoder(names, place).graph(graph);
}

class GraphEncoder {
  constructor(
    private readonly names: ReadonlyMap<Value, string>,
    private readonly place: Place,
  ) {}

  graph(graph: Graph): GraphMessage {
    const wire = graph.wire instanceof GraphWire ? graph.wire : undefined;
    const message: GraphMessage = { ...wire?.rest };
    if (graph.name) message.name = graph.name;
    if (graph.docString) message.doc_string = graph.docString;
    message.node = graph.nodes.map((n) => this.node(n, graph));
    message.input = graph.inputs.map((v) => this.info(v, this.name(v, `graph '${graph.name}'`)));
    const second = new Map(wire?.second.map((s) => [`${s.list} ${s.place}`, s]));
    message.output = graph.outputs.map((v, i) => {
      const name = this.name(v, `graph '${graph.name}'`);
      const entry = second.get(`output ${i}`);
      return entry && entry.message.name === name && entry.type === v.type
        ? entry.message
        : this.info(v, name);
    });
    const dense: TensorMessage[] = [];
    const sparse: SparseTensorMessage[] = [];
    for (const v of graph.initializers) {
      if (!v.initializer) continue;
      const name = this.name(v, `graph '${graph.name}'`);
      const kept = encodeSparse(v.initializer, name);
      if (kept) sparse.push(kept);
      else dense.push(encodeTensor(v.initializer, name, this.place));
    }
    message.initializer = dense;
    message.sparse_initializer = sparse;
    message.value_info = this.valueInfo(graph, wire?.second ?? []);
    message.metadata_props = writeEntries(graph.metadata, wire?.metadata);
    if (wire && wire.annotations.length > 0) message.quantization_annotation = this.annotations(graph, wire);
    return message;
  }

  /** Annotations name tensors: they follow a value that was renamed, and go with one that is gone. */
  private annotations(graph: Graph, wire: GraphWire): AnnotationMessage[] {
    const renamed = new Map<string, string>();
    for (const v of graph.values())
      if (v.wire instanceof ValueWire && !renamed.has(v.wire.name))
        renamed.set(v.wire.name, this.names.get(v) ?? v.name);
    const out: AnnotationMessage[] = [];
    for (const annotation of wire.annotations) {
      const { tensor_name: old = '', quant_parameter_tensor_names: parameters = [] } = annotation;
      const name = renamed.get(old);
      if (name === undefined && wire.names.has(old)) continue;
      const moved = parameters.map((p) => {
        const to = renamed.get(p.value ?? '');
        return to === undefined || to === p.value ? p : changed(p, { value: to });
      });
      const same = (name ?? old) === old && moved.every((p, i) => p === parameters[i]);
      out.push(
        same
          ? annotation
          : changed(annotation, { tensor_name: name ?? old, quant_parameter_tensor_names: moved }),
      );
    }
    return out;
  }

  private name(value: Value, reader: string): string {
    const name = this.names.get(value);
    if (name === undefined)
      throw new ModelError({
        problem: `${reader} reads value '${value.name}', which no graph of the model holds`,
      });
    return name;
  }

  private node(node: Node, graph: Graph): NodeMessage {
    const wire = node.wire instanceof NodeWire ? node.wire : undefined;
    const message: NodeMessage = { ...wire?.rest };
    message.input = node.inputs.map((v) => (v ? this.name(v, node.describe()) : ''));
    message.output = node.outputs.map((v) => this.name(v, node.describe()));
    if (node.name) message.name = node.name;
    message.op_type = node.opType;
    if (node.docString) message.doc_string = node.docString;
    if (node.domain) message.domain = node.domain;
    if (node.overload) message.overload = node.overload;
    message.metadata_props = writeEntries(node.metadata, wire?.metadata);
    message.attribute = [...node.attributes].map(([name, a]) =>
      encodeAttribute(name, a, this.place, (g) => {
        if (g.outer !== graph)
          throw new ModelError({ problem: `${node.describe()}: graph '${g.name}' belongs to another graph` });
        return this.graph(g);
      }),
    );
    return message;
  }

  private info(value: Value, name: string): ValueInfoMessage {
    const wire = value.wire instanceof ValueWire ? value.wire : undefined;
    const message: ValueInfoMessage = { ...wire?.rest, name };
    if (value.type) message.type = encodeType(value.type);
    if (value.docString) message.doc_string = value.docString;
    message.metadata_props = writeEntries(value.metadata, wire?.metadata);
    return message;
  }

  /** Types of intermediate values: those the file listed in its order, then those of new values that have one. */
  private valueInfo(graph: Graph, second: readonly SecondEntry[]): ValueInfoMessage[] {
    const listed: { place: number; message: ValueInfoMessage }[] = [];
    const types = new Map<string, Value['type']>();
    const outputs = new Set(graph.outputs);
    for (const v of graph.values()) {
      const name = this.names.get(v);
      if (!name) continue;
      types.set(name, v.type);
      if (v.isInput || outputs.has(v)) continue;
      const place = v.wire instanceof ValueWire ? v.wire.listed : undefined;
      if (place !== undefined) listed.push({ place, message: this.info(v, name) });
      else if (v.type && v.producer)
        listed.push({ place: Number.POSITIVE_INFINITY, message: this.info(v, name) });
    }
    for (const { list, place, message, type } of second) {
      if (list !== 'value_info') continue;
      if (type === undefined || types.get(message.name ?? '') === type) listed.push({ place, message });
    }
    return listed.sort((a, b) => (a.place === b.place ? 0 : a.place - b.place)).map((e) => e.message);
  }
}
