import type { GraphBuilder, Value } from '../../onnx/index.js';
import { type LossOptions, lossOf } from '../losses/table.js';
import type { Prepared } from './prepare.js';

/** What a step minimizes. */
export interface Objective {
  /** The new graph input. */
  readonly label: Value;
  readonly loss: Value;
  readonly correct: Value;
  /** The gradient of the loss by each output that it judges. */
  readonly seeds: ReadonlyMap<Value, Value>;
}

/**
 * Puts the label input and the loss at the end of the forward graph.
 * @param scale factor on the gradients; the loss is given as it is
 */
export function objective(
  b: GraphBuilder,
  { logits }: Prepared,
  options: LossOptions,
  scale: number,
): Objective {
  const loss = lossOf(options);
  const shape = staticShape(logits);
  const label = b.graph.addInput(b.graph.uniqueName('label'), loss.target(shape));
  const { gradient, ...nodes } = loss.emit({ b, output: logits, shape, target: label, scale });
  return { label, ...nodes, seeds: new Map([[logits, gradient]]) };
}

export function staticShape(value: Value): readonly number[] {
  if (!value.shape) throw new Error(`the shape of '${value.name}' is not known`);
  return value.shape;
}
