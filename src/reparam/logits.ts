import type { Graph, Node, Value } from '../onnx/index.js';

/** Where a network's class scores are, before they become probabilities. */
export interface Logits {
  /** Input of the trailing Softmax or LogSoftmax; the output itself where there is none. */
  readonly value: Value;
  readonly activation: { readonly node: Node; readonly log: boolean } | undefined;
  /** The graph output that was followed back. */
  readonly output: Value;
}

/** Operators that only give the scores another shape. */
const VIEWS = new Set(['Flatten', 'Reshape', 'Squeeze', 'Unsqueeze', 'Identity']);

/**
 * The value before a trailing Softmax or LogSoftmax, also where Flatten, Reshape, Squeeze or Identity stand between it
 * and the output. The loss is taken there, and two models are compared there too: a Softmax squeezes differences.
 * @param output which graph output; default the first
 */
export function logitsOf(graph: Graph, output: Value = graph.outputs[0]): Logits {
  let v = output;
  for (;;) {
    const node = v.producer;
    if (node?.domain !== '') break;
    const log = node.opType === 'LogSoftmax';
    if (log || node.opType === 'Softmax') return { value: node.input(0), activation: { node, log }, output };
    if (!VIEWS.has(node.opType)) break;
    v = node.input(0);
  }
  return { value: output, activation: undefined, output };
}
