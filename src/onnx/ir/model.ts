import type { Graph } from './graph.js';

/** An ONNX model: a graph, the operator sets it is written in, and what describes it. */
export class Model {
  irVersion: number;
  producerName = '';
  producerVersion = '';
  domain = '';
  modelVersion = 0n;
  docString = '';
  readonly graph: Graph;
  /** Domain ('' is ai.onnx) → version. */
  readonly opsets = new Map<string, number>();
  readonly metadata = new Map<string, string>();
  /** Local functions, training info and what else the file held; only the codec reads and writes it. */
  wire: unknown;
  /** The file the model was read from, for messages. */
  source: string | undefined;

  constructor(graph: Graph, opset = 20, irVersion = 9) {
    this.graph = graph;
    this.irVersion = irVersion;
    this.opsets.set('', opset);
  }

  /** Version of the ai.onnx operator set. */
  get opset(): number {
    return this.opsets.get('') ?? 1;
  }
}
