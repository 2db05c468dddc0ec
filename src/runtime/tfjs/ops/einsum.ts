import type { Node } from '../../../onnx/index.js';
import type { Compute } from '../rule.js';

export const einsum: Compute = (call) => {
  const equation = call.node.string('equation', '').replaceAll(' ', '');
  return call.tf.einsum(equation, ...call.inputs());
};

/** TensorFlow.js multiplies two operands at most, and knows neither diagonals nor an ellipsis. */
export function einsumRefuses(node: Node): string | undefined {
  const equation = node.string('equation', '').replaceAll(' ', '');
  const operands = (equation.split('->')[0] ?? '').split(',');
  const repeated = operands.some((o) => new Set(o).size !== o.length);
  const plain = equation.includes('->') && !equation.includes('.') && operands.length <= 2 && !repeated;
  return plain ? undefined : `equation '${equation}'`;
}
