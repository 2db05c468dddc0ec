/** Resize (10 and up) and Upsample (7, 9): interpolation is linear and separable, so one matrix per axis. */
import {
  isUnchanged,
  type Node,
  type ResampledAxis,
  type ResizeAttributes,
  resampledAxes,
  resampleTaps,
  resizeAttributes,
} from '../../../onnx/index.js';
import type { Call } from '../call.js';
import type { Compute } from '../rule.js';
import type { TfTensor } from '../tf.js';
import { alongAxis } from './matmul.js';

export const resize: Compute = (call) => {
  const x = call.input(0);
  const a = resizeAttributes(call.node, x.rank, call.opset, call.known);
  const axes = resampledAxes(a, x.shape) ?? call.fail('scales or sizes are missing');
  let y = x;
  for (const [axis, how] of axes.entries())
    if (!isUnchanged(how)) y = alongAxis(call.tf, weights(call, a, how), y, axis);
  return y;
};

function weights({ tf }: Call, a: ResizeAttributes, how: ResampledAxis): TfTensor {
  const matrix = new Float32Array(how.output * how.input);
  for (const [o, taps] of resampleTaps(a, how).entries())
    for (const [k, weight] of taps?.weights.entries() ?? [])
      matrix[o * how.input + (taps?.positions[k] ?? 0)] += weight;
  return tf.tensor(matrix, [how.output, how.input]);
}

export function resizeRefuses(node: Node): string | undefined {
  if (node.int('antialias', 0) !== 0) return 'antialias = 1';
  const coordinates = node.string('coordinate_transformation_mode', '');
  return coordinates === 'tf_crop_and_resize' ? coordinates : undefined;
}
