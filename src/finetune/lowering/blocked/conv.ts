/** Conv forward on blocked tensors. */
import type { Value } from '../../../onnx/index.js';
import { convGeometry } from '../../autodiff/geometry.js';
import { kernelLayout } from './geometry.js';
import { convolve } from './images-in-turn.js';
import { packedDims, scaleOutputs } from './kernel.js';
import type { Blocked } from './nchwc.js';
import type { Pointwise } from './pointwise-norm.js';
import type { BlockedContext } from './rule.js';
import type { Extra, Pending } from './tracker.js';
import { fromVector } from './vector.js';

export function conv(c: BlockedContext): boolean {
  const { n, t, node, b } = c;
  const [x, w] = [node.input(0), node.input(1)];
  const [xShape, wShape] = [c.shape(x), c.shape(w)];
  const g = convGeometry(node, xShape, wShape);
  const layout = kernelLayout(xShape, wShape, g.group, n.block, t.isPlain(x));
  if (!layout) return false;
  const source = layout.kind === 'stem' ? { value: x, dims: xShape } : t.clean(x);
  const packed = t.kernel(w, layout);
  const [outputs] = packedDims(layout);
  const [count, channels, ...out] = c.shape(node.output());
  const dims = [count, outputs, ...out];
  const bias = node.inputs[2] ? fromVector(n, node.inputs[2], channels) : undefined;
  const kernelOf = ({ sign }: Extra): Value => (sign ? scaleOutputs(b, layout, packed, sign) : packed);
  const biasOf = ({ shift, sign }: Extra): Value | undefined => {
    const shifted = shift ? (bias ? b.op('Sub', [bias, shift]) : b.op('Neg', [shift])) : bias;
    return sign && shifted ? b.op('Mul', [shifted, sign]) : shifted;
  };
  const emit = (extra: Extra): Blocked => ({
    value: convolve(n, source.value, source.dims, kernelOf(extra), dims, {
      kernel: g.kernel_shape,
      strides: g.strides,
      dilations: g.dilations,
      pads: g.pads,
      group: layout.kind === 'depthwise' ? outputs : 1,
      bias: biasOf(extra),
      sum: extra.sum,
      activation: extra.activation,
    }),
    dims,
    channels,
    dirty: false,
  });
  const unit = [...g.kernel_shape, ...g.strides].every((k) => k === 1) && g.pads.every((p) => p === 0);
  const pointwise: Pointwise | undefined =
    unit && layout.kind === 'dense'
      ? { x: t.clean(x), kernel: packed, layout, bias: node.inputs[2] }
      : undefined;
  const pending: Pending = {
    takes: ['activation', 'sum', 'shift', 'sign'],
    emit,
    ...(pointwise ? { pointwise } : {}),
  };
  t.set(node.output(), { kind: 'pending', pending });
  return true;
}
