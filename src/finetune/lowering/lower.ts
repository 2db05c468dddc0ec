import type { GraphBuilder, Value } from '../../onnx/index.js';
import { INTERNAL_OPS, type InternalOp, isInternal, isInternalOp } from '../autodiff/internal.js';
import type { LoweringRule } from './rule.js';

export type LoweringTable = { readonly [op in InternalOp]: LoweringRule };

/**
 * Replaces every internal operator of the builder's graph by what the table makes of it.
 * Ensures that no internal operator is left.
 */
export function lower(b: GraphBuilder, table: LoweringTable): void {
  const made = new Map<Value, Map<string, Value>>();
  for (const node of [...b.graph.nodes]) {
    if (!isInternal(node)) continue;
    const op = node.opType;
    if (!isInternalOp(op))
      throw new Error(`unknown internal operator ${op}; known: ${INTERNAL_OPS.join(', ')}`);
    const results = b.at({ before: node }, () =>
      b.scope(node.name, () =>
        table[op]({
          b,
          node,
          shape: (v) => {
            if (!v.shape) throw new Error(`${node.describe()}: the shape of '${v.name}' is not known`);
            return v.shape;
          },
          shared: (of, what, make) => {
            const known = made.get(of) ?? new Map<string, Value>();
            made.set(of, known);
            const value = known.get(what) ?? make();
            known.set(what, value);
            return value;
          },
        }),
      ),
    );
    for (const [i, output] of node.outputs.entries()) b.graph.replaceUses(output, results[i]);
    b.graph.removeNode(node);
  }
}
