import { cloneNode, type Graph, type Node, Value } from '../../onnx/index.js';

/**
 * Puts, in place, the branch that an If with a constant condition takes where the If stands. What the branch computes
 * takes over the names of the If's outputs; its other values get free names.
 * @returns how many were replaced
 */
export function inlineBranches(graph: Graph): number {
  let inlined = 0;
  for (const node of [...graph.nodes]) {
    if (node.opType !== 'If' || node.domain !== '') continue;
    const condition = node.input(0).constant;
    if (!condition) continue;
    const taken = node.attributes.get(condition.typed()[0] ? 'then_branch' : 'else_branch');
    if (taken?.type !== 'graph') continue;
    inline(graph, node, taken.value);
    inlined++;
  }
  return inlined;
}

function inline(graph: Graph, node: Node, branch: Graph): void {
  const map = new Map<Value, Value>();
  for (const v of branch.initializers)
    if (v.initializer) map.set(v, graph.addInitializer(graph.uniqueName(v.name), v.initializer));
  for (const inner of branch.nodes) {
    for (const o of inner.outputs) if (o.name !== '') map.set(o, new Value(graph.uniqueName(o.name), o.type));
    const copy = cloneNode(inner, map, graph);
    if (copy.name) copy.name = graph.uniqueName(copy.name);
    graph.addNode(copy, { before: node });
  }
  branch.outputs.forEach((o, i) => {
    const old = node.outputs[i];
    const result = map.get(o) ?? o;
    if (!old) return;
    if (graph.outputs.includes(old)) {
      // A graph output keeps its name, whatever the branch hands through.
      const identity = graph.addNode(
        { opType: 'Identity', inputs: [result], outputs: [new Value(old.name, old.type)] },
        { before: node },
      );
      graph.replaceUses(old, identity.output());
    } else graph.replaceUses(old, result);
  });
  graph.removeNode(node);
}
