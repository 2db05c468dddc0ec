/**
 * Parameters that a network has but never applies (PyTorch: registered modules that forward() does not call). No node reads
 * them: they are initializers by themselves, and the model's metadata says that they are parameters.
 */
import { ModelError } from '../../base/errors.js';
import type { Model } from '../ir/model.js';
import { sizeOf } from '../ir/tensor.js';

/** Where the names of such initializers stand: a JSON list in `metadata_props`. */
export const UNUSED_PARAMETERS_KEY = 'reparam.unused-parameters';

/**
 * Elements of the listed initializers that are there and that no node reads.
 * @param part which of them are counted, by name; default: all
 * @throws ModelError for damaged metadata
 */
export function countUnusedParameters(model: Model, part?: (name: string) => boolean): number {
  const names = unusedNames(model);
  let count = 0;
  for (const value of model.graph.initializers)
    if (value.isDead && value.initializer && names.has(value.name) && part?.(value.name) !== false)
      count += sizeOf(value.initializer.dims);
  return count;
}

function unusedNames(model: Model): ReadonlySet<string> {
  const text = model.metadata.get(UNUSED_PARAMETERS_KEY);
  if (text === undefined) return new Set();
  const list = parsed(text);
  if (Array.isArray(list) && list.every((v) => typeof v === 'string')) return new Set<string>(list);
  throw new ModelError({
    problem: `metadata ${UNUSED_PARAMETERS_KEY} of ${model.source ?? 'the model'}`,
    expected: 'a JSON list of names',
    found: text.length > 80 ? `${text.slice(0, 80)}…` : text,
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
