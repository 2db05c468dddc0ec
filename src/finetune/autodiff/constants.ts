import { UnsupportedError } from '../../base/errors.js';
import { constantOf, numbersOf } from '../../onnx/index.js';
import type { RuleContext } from './rule.js';

/**
 * The integers that input `index` of the node holds.
 * @throws UnsupportedError naming the node when they are computed: the gradient's shape would depend on the data
 */
export function constantInts(c: RuleContext, index: number): readonly number[] {
  const value = c.node.input(index);
  const tensor = constantOf(value);
  return tensor ? numbersOf(tensor) : refuseComputed(c, index);
}

/** @throws UnsupportedError saying that input `index` of the node is computed */
export function refuseComputed({ node }: RuleContext, ...indices: readonly number[]): never {
  const computed = indices.map((i) => node.inputs[i]).find((v) => v && !constantOf(v));
  throw new UnsupportedError({
    problem: `${node.describe()}: input '${computed?.name ?? ''}' is computed`,
    expected: 'a constant, so that the gradient has a fixed shape',
    hint: 'export the model with fixed shapes, or with constant folding',
  });
}
