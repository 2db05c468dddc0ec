import type { Graph } from '../ir/graph.js';
import { constantValue } from '../ops/constant.js';
import type { PassResult } from './dead-nodes.js';
import { takeOver } from './rebuild.js';

/**
 * Turns Constant nodes into initializers of the same name, in place, in sub-graphs too. Kept as nodes: sparse constants,
 * and constants that are graph outputs.
 */
export function constantsToInitializers(graph: Graph): PassResult {
  let modified = false;
  for (const node of [...graph.nodes]) {
    for (const inner of node.subgraphs) modified = constantsToInitializers(inner).modified || modified;
    if (node.opType !== 'Constant' || node.domain !== '') continue;
    const tensor = constantValue(node);
    const old = node.outputs[0];
    if (!tensor || !old || graph.outputs.includes(old)) continue;
    const value = graph.addInitializer(old.name, tensor);
    takeOver(value, old);
    graph.replaceUses(old, value);
    graph.removeNode(node);
    modified = true;
  }
  return { modified };
}
