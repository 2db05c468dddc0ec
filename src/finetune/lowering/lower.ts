import type { GraphBuilder, Node, Value } from '../../onnx/index.js';
import { INTERNAL_OPS, type InternalOp, isInternal, isInternalOp } from '../autodiff/internal.js';
import type { LoweredParameter, TrainedParameter } from './lowering.js';
import type { LoweringRule } from './rule.js';

export type LoweringTable = { readonly [op in InternalOp]: LoweringRule };

/** What lowering rules share, by the value that it is made of. */
export type Shared = Map<Value, Map<string, Value>>;

/**
 * Replaces every internal operator of the builder's graph by what the table makes of it.
 * Ensures that no internal operator is left.
 * @returns by each replaced value what stands for it
 */
export function lower(b: GraphBuilder, table: LoweringTable): ReadonlyMap<Value, Value> {
  const shared: Shared = new Map();
  const replaced = new Map<Value, Value>();
  for (const node of [...b.graph.nodes]) {
    if (!isInternal(node)) continue;
    const results = b.at({ before: node }, () => emitLowered(b, node, table, shared));
    for (const [i, output] of node.outputs.entries()) {
      b.graph.replaceUses(output, results[i]);
      replaced.set(output, results[i]);
    }
    b.graph.removeNode(node);
  }
  return replaced;
}

/** As {@link lower}, for a lowering that leaves parameters as the network reads them. */
export function lowerParameters(
  b: GraphBuilder,
  table: LoweringTable,
  parameters: readonly TrainedParameter[],
): readonly LoweredParameter[] {
  const replaced = lower(b, table);
  return parameters.map(({ value, gradient }) => ({ value, gradient: replaced.get(gradient) ?? gradient }));
}

/** Emits what the table makes of one internal node, at the builder's place. */
export function emitLowered(
  b: GraphBuilder,
  node: Node,
  table: LoweringTable,
  made: Shared,
): readonly Value[] {
  const op = node.opType;
  if (!isInternalOp(op))
    throw new Error(`unknown internal operator ${op}; known: ${INTERNAL_OPS.join(', ')}`);
  return b.scope(node.name, () =>
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
  );
}
