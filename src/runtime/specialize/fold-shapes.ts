import { inferTypes, type Known, type Model, type Node, type Tensor, type Value } from '../../onnx/index.js';
import { tensorOf } from '../../onnx/infer/known.js';
import { replaceByConstant } from './replace.js';

/**
 * Replaces, in place, integers and booleans that follow from static shapes (Shape → Gather → Concat chains) by
 * constants. Floats are left to the engine, which rounds as the runtime does.
 * @returns how many values became constants
 */
export function foldShapes(model: Model, keep?: (node: Node) => boolean): number {
  const { known } = inferTypes(model);
  const tensors = new Map<Value, Tensor>();
  for (const [value, elements] of known) {
    const tensor = foldable(value, elements, keep);
    if (tensor) tensors.set(value, tensor);
  }
  let folded = 0;
  for (const [value, tensor] of tensors) {
    // A value that only such values are computed from dies with them.
    const read = value.consumers.some((n) => !n.outputs.every((o) => tensors.has(o)));
    if (!read || !value.graph) continue;
    replaceByConstant(value.graph, value, tensor);
    folded++;
  }
  return folded;
}

function foldable(value: Value, elements: Known, keep?: (node: Node) => boolean): Tensor | undefined {
  const { producer } = value;
  if (!producer || value.initializer || keep?.(producer)) return undefined;
  const { dataType } = elements;
  return dataType === 'int64' || dataType === 'int32' || dataType === 'bool' ? tensorOf(elements) : undefined;
}
