import { ModelError } from '../../base/errors.js';
import { Graph } from '../ir/graph.js';
import { Node } from '../ir/node.js';
import type { Tensor } from '../ir/tensor.js';
import { tensorType, type ValueType } from '../ir/types.js';
import { Value } from '../ir/value.js';
import { decodeAttribute } from './decode-attribute.js';
import { decodeSparse, decodeTensor } from './decode-tensor.js';
import { decodeType } from './decode-type.js';
import { readEntries, shortDomain } from './entries.js';
import type { ExternalFolder } from './external.js';
import {
  type GraphMessage,
  leftover,
  type Message,
  type NodeMessage,
  type ValueInfoMessage,
} from './messages.js';
import { GraphWire, NodeWire, type SecondEntry, ValueWire } from './wire.js';

const GRAPH_OWNED = {
  node: true,
  name: true,
  initializer: true,
  sparse_initializer: true,
  doc_string: true,
  input: true,
  output: true,
  value_info: true,
  quantization_annotation: true,
  metadata_props: true,
} as const satisfies Record<Exclude<keyof GraphMessage, keyof Message>, true>;

const NODE_OWNED = {
  input: true,
  output: true,
  name: true,
  op_type: true,
  attribute: true,
  doc_string: true,
  domain: true,
  overload: true,
  metadata_props: true,
} as const;

const INFO_OWNED = { name: true, type: true, doc_string: true, metadata_props: true } as const;

/** Names visible in a graph: its own, then those of the graphs around it. */
class Scope {
  readonly #own = new Map<string, Value>();
  readonly #outer: Scope | undefined;

  constructor(outer?: Scope) {
    this.#outer = outer;
  }

  own(name: string): Value | undefined {
    return this.#own.get(name);
  }

  find(name: string): Value | undefined {
    for (let scope: Scope | undefined = this; scope; scope = scope.#outer) {
      const value = scope.#own.get(name);
      if (value) return value;
    }
    return undefined;
  }

  add(name: string, value: Value): void {
    this.#own.set(name, value);
  }

  names(): Set<string> {
    return new Set(this.#own.keys());
  }
}

/**
 * Builds a graph: names become identity, lexically, so that a sub-graph that reads a value of an outer graph holds that
 * very value. Recursion is over nested graphs only, whose depth {@link scan} has bounded.
 * @param source the file, for errors
 * @throws ModelError when a name is defined twice, or read and never defined
 */
export function decodeGraph(message: GraphMessage, source: string, files: ExternalFolder): Graph {
  return new GraphDecoder(source, files).graph(message, undefined, undefined);
}

class GraphDecoder {
  constructor(
    private readonly source: string,
    private readonly files: ExternalFolder,
  ) {}

  graph(message: GraphMessage, outer: Graph | undefined, outerScope: Scope | undefined): Graph {
    const graph = new Graph(message.name ?? '', outer);
    graph.docString = message.doc_string ?? '';
    readEntries(message.metadata_props, graph.metadata);
    const scope = new Scope(outerScope);
    const where = outer ? `${this.source}: graph '${graph.name}'` : this.source;

    for (const info of message.input ?? [])
      graph.addInput(this.define(info.name, 'a graph input', scope, where));
    this.initializers(message, graph, scope, where);
    const outputs = (message.node ?? []).map((node) =>
      (node.output ?? []).map((name) =>
        name === '' ? new Value('') : this.define(name, describe(node), scope, where),
      ),
    );
    // Before the nodes: an output of an inner graph is compared with the type of the outer value it hands on.
    graph.wire = this.infos(message, scope);
    (message.node ?? []).forEach((node, i) => {
      graph.addNode(this.node(node, outputs[i], graph, scope, where));
    });
    for (const info of message.output ?? []) {
      const value = scope.find(info.name ?? '');
      if (!value)
        throw new ModelError({
          problem: `${where}: graph output '${info.name ?? ''}' is made by no node`,
          hint: 'each output has to be the output of a node, a graph input or an initializer',
        });
      graph.addOutput(value);
    }
    return graph;
  }

  private define(
    name: string | undefined,
    what: string,
    scope: Scope,
    where: string,
    type?: ValueType,
  ): Value {
    if (!name) throw new ModelError({ problem: `${where}: ${what} has no name` });
    if (scope.own(name))
      throw new ModelError({
        problem: `${where}: '${name}' is defined twice, the second time by ${what}`,
        expected: 'each value defined once (SSA)',
      });
    const value = new Value(name, type);
    scope.add(name, value);
    return value;
  }

  /** Dense ones, then sparse ones; a graph input of the same name gets a default. */
  private initializers(message: GraphMessage, graph: Graph, scope: Scope, where: string): void {
    const add = (tensor: Tensor): void => {
      const known = tensor.name === '' ? undefined : scope.own(tensor.name);
      if (known?.initializer)
        throw new ModelError({ problem: `${where}: two initializers are named '${tensor.name}'` });
      const type = tensorType(tensor.dataType, tensor.dims);
      graph.addInitializer(known ?? this.define(tensor.name, 'an initializer', scope, where, type), tensor);
    };
    for (const t of message.initializer ?? [])
      add(decodeTensor(t, `${where}: initializer '${t.name ?? ''}'`, this.files));
    for (const s of message.sparse_initializer ?? [])
      add(decodeSparse(s, `${where}: initializer '${s.values?.name ?? ''}'`, this.files));
  }

  private node(message: NodeMessage, outputs: Value[], graph: Graph, scope: Scope, where: string): Node {
    const label = describe(message);
    const node = new Node({
      opType: message.op_type ?? '',
      domain: shortDomain(message.domain),
      overload: message.overload ?? '',
      name: message.name ?? '',
      inputs: (message.input ?? []).map((name) => {
        if (name === '') return undefined;
        const value = scope.find(name);
        if (!value)
          throw new ModelError({
            problem: `${where}: ${label} reads '${name}', which nothing defines`,
            hint: 'it has to be a graph input, an initializer, or the output of a node',
          });
        return value;
      }),
      outputs,
    });
    node.docString = message.doc_string ?? '';
    readEntries(message.metadata_props, node.metadata);
    for (const a of message.attribute ?? []) {
      const at = `${where}: ${label}: attribute '${a.name ?? ''}'`;
      if (!a.name) throw new ModelError({ problem: `${where}: ${label} has an attribute without a name` });
      if (node.attributes.has(a.name)) throw new ModelError({ problem: `${at} is given twice` });
      const nested = (g: GraphMessage): Graph => this.graph(g, graph, scope);
      node.attributes.set(a.name, decodeAttribute(a, { where: at, files: this.files, graph: nested }));
    }
    const rest = leftover(message, NODE_OWNED);
    const long = message.domain === 'ai.onnx' ? { ...rest, domain: message.domain } : rest;
    const metadata = message.metadata_props ?? [];
    if (long || metadata.length > 0) node.wire = new NodeWire(long, metadata);
    return node;
  }

  /** Hands each ValueInfoProto to its value; the first of input, output, value_info describes it, others are kept. */
  private infos(message: GraphMessage, scope: Scope): GraphWire {
    const described = new Set<Value>();
    const second: {
      list: SecondEntry['list'];
      place: number;
      message: ValueInfoMessage;
      value: Value | undefined;
    }[] = [];
    const take = (info: ValueInfoMessage, list: SecondEntry['list'] | 'input', place: number): void => {
      const name = info.name ?? '';
      const own = scope.own(name);
      // A sub-graph may hand on a value of an outer graph, which is described there.
      const value = list === 'output' ? scope.find(name) : own;
      const constant = list === 'output' && value?.initializer !== undefined;
      if (list !== 'input' && (!own || !value || described.has(value) || constant)) {
        second.push({ list, place, message: info, value });
        return;
      }
      if (!value) return;
      described.add(value);
      const type = decodeType(info.type);
      if (type) value.type = type;
      value.docString = info.doc_string ?? '';
      readEntries(info.metadata_props, value.metadata);
      const rest = leftover(info, INFO_OWNED);
      const listed = list === 'value_info' ? place : undefined;
      value.wire = new ValueWire(value.name, rest, info.metadata_props, listed);
    };
    (message.input ?? []).forEach((info, i) => {
      take(info, 'input', i);
    });
    (message.output ?? []).forEach((info, i) => {
      take(info, 'output', i);
    });
    (message.value_info ?? []).forEach((info, i) => {
      take(info, 'value_info', i);
    });
    const names = scope.names();
    for (const name of names) {
      const value = scope.own(name);
      if (value && value.wire === undefined)
        value.wire = new ValueWire(name, undefined, undefined, undefined);
    }
    return new GraphWire(
      leftover(message, GRAPH_OWNED),
      message.metadata_props,
      second.map(({ value, ...entry }) => ({ ...entry, type: value?.type })),
      message.quantization_annotation ?? [],
      names,
    );
  }
}

function describe(node: NodeMessage): string {
  const op = node.op_type || 'node';
  return node.name ? `${op} '${node.name}'` : `${op} (output '${node.output?.[0] ?? ''}')`;
}
