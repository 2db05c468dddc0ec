import type { Model } from '../ir/model.js';
import { checkOperators } from '../ops/check.js';
import { inferTypes } from './graph.js';

/**
 * Whether the model can be run: every node calls an operator that exists, and shapes and types go together all the way.
 * The model is not changed. Structure (names, order, links) is the verifier's; nodes must be in topological order.
 * @param functions `domain::name` of the model's local functions
 * @throws ModelError or UnsupportedError naming the node, what was expected and what was found
 */
export function checkModel(model: Model, functions?: ReadonlySet<string>): void {
  checkOperators(model, functions);
  inferTypes(model, { strict: true });
}
