import { cloneModel, type Model, type Tensor } from '../../onnx/index.js';
import { constantOf, setConstant } from '../../reparam/index.js';

/** A copy of a model with other constants. */
export function withWeights(model: Model, weights: ReadonlyMap<string, Tensor>): Model {
  const copy = cloneModel(model);
  const left = new Set(weights.keys());
  for (const value of [...copy.graph.values()]) {
    const tensor = weights.get(value.name);
    if (!tensor || !constantOf(value)) continue;
    setConstant(value, tensor);
    left.delete(value.name);
  }
  if (left.size > 0) throw new Error(`no constant of these names in the model: ${[...left].join(', ')}`);
  return copy;
}
