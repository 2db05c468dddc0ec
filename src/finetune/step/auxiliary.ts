import { AUXILIARY_KEY, parseAuxiliary } from '../../base/auxiliary.js';
import type { Model } from '../../onnx/index.js';

/**
 * Weights of the outputs that a model's metadata calls auxiliary, by name; those that it no longer has left out.
 * @throws InputError when the entry is damaged
 */
export function ownAuxiliary(model: Model): ReadonlyMap<string, number> {
  const text = model.metadata.get(AUXILIARY_KEY);
  if (text === undefined) return new Map();
  const outputs = new Set(model.graph.outputs.map((v) => v.name));
  const listed = parseAuxiliary(text, `metadata ${AUXILIARY_KEY} of ${model.source ?? 'the model'}`);
  return new Map(listed.filter((a) => outputs.has(a.output)).map((a) => [a.output, a.weight]));
}
