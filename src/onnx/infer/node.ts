import type { Node } from '../ir/node.js';
import type { Tensor } from '../ir/tensor.js';
import type { ValueType } from '../ir/types.js';
import type { Value } from '../ir/value.js';
import { constantOf } from '../ops/axes.js';
import { type Facts, InferContext } from './context.js';
import { type Known, knownOf } from './known.js';
import { inferRuleOf } from './table.js';

/** What the values say themselves: their types, and the constants they hold. */
const own: Facts = factsOver(constantOf);

/**
 * Types of one node's outputs, from the types of its inputs and the constants among them; for a graph under
 * construction. Undefined where they cannot be known (operators of other domains, for one).
 * @param known finds further constants; it is asked before the values' own
 * @throws ModelError when inputs and attributes do not go together
 */
export function inferNode(
  node: Node,
  opset: number,
  known?: (value: Value) => Tensor | undefined,
): (ValueType | undefined)[] {
  const rule = inferRuleOf(node);
  if (!rule) return node.outputs.map(() => undefined);
  const facts = known ? factsOver((value) => known(value) ?? constantOf(value)) : own;
  const types = rule(new InferContext(node, opset, facts));
  return node.outputs.map((_, i) => types[i]);
}

function factsOver(constant: (value: Value) => Tensor | undefined): Facts {
  return {
    type: (value) => value.type,
    known: (value): Known | undefined => {
      const tensor = constant(value);
      return tensor && knownOf(tensor);
    },
    constant,
    graph: (graph) => graph.outputs.map((o) => o.type),
  };
}
