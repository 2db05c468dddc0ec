/** What the layers' inputs outside the data path hold: parameters, statistics, frozen bases, and the work to compute them. */
import { byteSize, type DataType } from '../ir/dtype.js';
import type { Node } from '../ir/node.js';
import { sizeOf, type Tensor } from '../ir/tensor.js';
import type { Value } from '../ir/value.js';
import { constantValue } from '../ops/constant.js';
import { multAddsOf, type ShapeOf } from './mult-adds.js';
import { type Paths, withInner } from './paths.js';
import { type Role, roleOnDataPath, roleOnWeightPath } from './roles.js';

/** Elements by role, and multiply-adds on the weight path. */
export interface WeightCount extends Record<Role, number> {
  readonly multAdds: number;
  /** Of parameters and frozen elements. */
  readonly bytes: number;
}

export interface WeightFacts {
  readonly paths: Paths;
  readonly shapeOf: ShapeOf;
  rankOf(value: Value): number | undefined;
  dataTypeOf(value: Value): DataType | undefined;
  /** What the caller knows better than the operators tell. */
  role(constant: Value): Role | undefined;
}

/** Counts layer by layer, in the order of the calls: what several layers share belongs to the first. */
export function weightCounter(facts: WeightFacts): (layer: Node) => WeightCount {
  const { paths, shapeOf, dataTypeOf } = facts;
  const owned = new Set<Value | Node>();
  return (layer) => {
    const found = { parameter: 0, buffer: 0, frozen: 0, multAdds: 0, bytes: 0 };
    const waiting: { readonly value: Value; readonly role: Role }[] = [];
    for (const node of withInner(layer))
      for (const [i, value] of node.inputs.entries()) {
        if (!value || paths.isData(value)) continue;
        const outputRank = node.outputs[0] && facts.rankOf(node.outputs[0]);
        const role = roleOnDataPath(node, i, dataTypeOf(value), shapeOf(value), outputRank);
        if (role) waiting.push({ value, role });
      }
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const { value, role } = next;
      const constant = constantOf(value);
      if (constant) {
        if (owned.has(value)) continue;
        owned.add(value);
        const size = sizeOf(constant.dims);
        const known = facts.role(value) ?? role;
        found[known] += size;
        if (known !== 'buffer') found.bytes += byteSize(constant.dataType, size);
        continue;
      }
      const node = value.producer;
      if (!node || owned.has(node)) continue;
      owned.add(node);
      found.multAdds += multAddsOf(node, shapeOf) ?? 0;
      for (const [i, source] of node.inputs.entries()) {
        // A weight may take its dims from the data (Shape), never its elements.
        if (!source || paths.isData(source)) continue;
        const leaf = constantOf(source);
        const next = leaf ? roleOnWeightPath(node, i, role, leaf.dataType, leaf.dims) : role;
        if (next) waiting.push({ value: source, role: next });
      }
    }
    return found;
  };
}

function constantOf(value: Value): Tensor | undefined {
  if (value.initializer) return value.initializer;
  return value.producer?.opType === 'Constant' ? constantValue(value.producer) : undefined;
}
