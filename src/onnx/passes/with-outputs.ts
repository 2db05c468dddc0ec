import { cloneModel } from '../ir/clone.js';
import type { Model } from '../ir/model.js';

/** A copy of the model with these values as outputs too; names that it does not have are passed over. */
export function withOutputs(model: Model, names: readonly string[]): Model {
  const copy = cloneModel(model);
  const values = new Map([...copy.graph.values()].map((v) => [v.name, v]));
  const present = new Set(copy.graph.outputs.map((v) => v.name));
  for (const name of names) {
    const value = values.get(name);
    if (!value || present.has(name)) continue;
    present.add(name);
    copy.graph.addOutput(value);
  }
  return copy;
}
