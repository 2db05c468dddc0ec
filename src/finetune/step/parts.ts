import type { Node, Value } from '../../onnx/index.js';
import type { TrainStep } from './build.js';

/** What a node of a step is there for: loss and right answers; gradients; new parameters and statistics. */
export type StepPart = 'forward' | 'gradient' | 'optimizer';

/**
 * Tells the nodes of a step apart. Forward is all that the loss and the count of right answers are made of. Gradient is
 * what autodiff and lowering have named after a forward node (`<node>_grad/…`), and what only leads there. The rest
 * is the optimizer: transforms of gradients, updates, running statistics.
 */
export function partsOf({ model, fetch }: TrainStep): Map<Node, StepPart> {
  const { graph } = model;
  const fetched = new Set(fetch);
  const forward = ancestors(graph.outputs.filter((v) => fetched.has(v.name)));
  const named = graph.nodes.filter((n) => !forward.has(n) && /(^|\/)[^/]*_grad(_\d+)?(\/|$)/.test(n.name));
  const gradient = ancestors(named.flatMap((n) => n.outputs));
  return new Map(
    graph.nodes.map((node) => [
      node,
      forward.has(node) ? 'forward' : gradient.has(node) ? 'gradient' : 'optimizer',
    ]),
  );
}

/** The nodes that values are made by, directly or not. */
function ancestors(values: readonly Value[]): Set<Node> {
  const found = new Set<Node>();
  const waiting = [...values];
  for (let value = waiting.pop(); value; value = waiting.pop()) {
    const node = value.producer;
    if (!node || found.has(node)) continue;
    found.add(node);
    for (const input of node.inputs) if (input) waiting.push(input);
  }
  return found;
}
