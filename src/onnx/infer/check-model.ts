import { ModelError, UnsupportedError } from '../../base/errors.js';
import type { Model } from '../ir/model.js';
import { checkOperators } from '../ops/check.js';
import { inferTypes } from './graph.js';

/**
 * Whether the model can be run: every node calls an operator that exists, and shapes and types go together all the way.
 * The model is not changed. Structure (names, order, links) is the verifier's; nodes must be in topological order.
 * @throws ModelError or UnsupportedError naming file and node, what was expected and what was found
 */
export function checkModel(model: Model): void {
  try {
    checkOperators(model);
    inferTypes(model, { strict: true });
  } catch (error) {
    if (!(error instanceof ModelError || error instanceof UnsupportedError) || !model.source) throw error;
    if (error.facts.problem.startsWith(model.source)) throw error;
    const facts = { ...error.facts, problem: `${model.source}: ${error.facts.problem}`, cause: error };
    throw error instanceof ModelError ? new ModelError(facts) : new UnsupportedError(facts);
  }
}
