/** Resize (10 and up) and Upsample (7, 9): each axis resampled by itself, as src/onnx/ops/resample.ts says. */
import {
  isUnchanged,
  type ResampledAxis,
  type ResizeAttributes,
  resampledAxes,
  resampleTaps,
  resizeAttributes,
} from '../../../onnx/index.js';
import type { Call, RefRule } from '../call.js';
import { stridesOf } from '../strides.js';
import { checkedSize, type RealTensor, type RefTensor, zeros } from '../tensor.js';

export const resize: RefRule = (call): RefTensor[] => {
  const x = call.real(0);
  const attributes = resizeAttributes(call.node, x.dims.length, call.opset, call.known);
  if (attributes.antialias) call.fail('attribute antialias', '0 in the reference interpreter', '1');
  const axes = axesOf(call, x, attributes);
  checkedSize(axes.map((a) => a.output));
  let y = x;
  for (const [axis, how] of axes.entries()) if (!isUnchanged(how)) y = resampleAxis(y, axis, how, attributes);
  return [y];
};

function axesOf(call: Call, x: RealTensor, a: ResizeAttributes): ResampledAxis[] {
  const crop = a.coordinates === 'tf_crop_and_resize';
  const axes = resampledAxes(a, x.dims, crop ? call.optionalReal(1)?.data : undefined);
  if (!axes) return call.fail('scales or sizes are missing');
  const empty = axes.findIndex(({ output }) => output < 1);
  if (empty >= 0) call.fail('output', 'at least one element', `0 on axis ${empty}`);
  return axes;
}

function resampleAxis(x: RealTensor, axis: number, how: ResampledAxis, a: ResizeAttributes): RealTensor {
  const dims = x.dims.map((d, i) => (i === axis ? how.output : d));
  const y = zeros(x.dataType, dims);
  const inner = stridesOf(x.dims)[axis];
  const outer = y.data.length / Math.max(1, how.output * inner);
  for (const [o, taps] of resampleTaps(a, how).entries())
    for (let p = 0; p < outer; p++) {
      const to = (p * how.output + o) * inner;
      if (!taps) y.data.fill(a.extrapolation, to, to + inner);
      else
        for (const [k, weight] of taps.weights.entries()) {
          const from = (p * how.input + taps.positions[k]) * inner;
          for (let j = 0; j < inner; j++) y.data[to + j] += weight * x.data[from + j];
        }
    }
  return y;
}
