/**
 * MaxPool: each output's gradient goes to the maximum of its window, the first one where several are equal (PyTorch).
 * AveragePool: each output's gradient is spread evenly over its window (`count_include_pad` says what is counted).
 * GlobalAveragePool: dX = dY / count, everywhere.
 * GlobalMaxPool: dX = dY at the first maximum of each map, row by row (PyTorch's adaptive max pool).
 */
import { sizeOf, Tensor } from '../../../onnx/index.js';
import { firstIndex } from '../../first-index.js';
import { poolGeometry } from '../geometry.js';
import { emitInternal, typeLike } from '../internal.js';
import type { GradientContext, Gradients } from '../rule.js';
import { indicator } from './masks.js';
import { spreadTo } from './sums.js';

export function maxPoolGradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  const x = node.input(0);
  const shape = c.shape(x);
  const { attributes: _, ...geometry } = poolGeometry(node, shape);
  return emitInternal(b, 'MaxPoolGrad', [dy, x, node.output()], [typeLike(x, shape)], geometry);
}

export function averagePoolGradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  const x = node.input(0);
  const shape = c.shape(x);
  const { attributes, ...geometry } = poolGeometry(node, shape);
  return emitInternal(b, 'AveragePoolGrad', [dy], [typeLike(x, shape)], {
    ...geometry,
    count_include_pad: attributes.countIncludePad ? 1 : 0,
    shape,
  });
}

export function globalAveragePoolGradient(c: GradientContext): Gradients {
  const shape = c.shape(c.node.input(0));
  return [spreadTo(c.b, c.dy, shape, 1 / sizeOf(shape.slice(2)))];
}

export function globalMaxPoolGradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  const shape = c.shape(node.input(0));
  const [n, channels, ...spatial] = shape;
  const pixels = sizeOf(spatial);
  // [N,C,pixels] compared with the position of the first maximum, [N,C,1].
  const rows = b.op('Reshape', [node.input(0), b.i64([n, channels, pixels])]);
  const most = b.op('Reshape', [node.output(), b.i64([n, channels, 1])]);
  const first = firstIndex(b, b.op('Equal', [rows, most]), [n, channels, pixels], 2);
  const positions = Tensor.int32(
    [1, 1, pixels],
    Int32Array.from({ length: pixels }, (_, i) => i),
  );
  const taken = indicator(b, b.op('Equal', [first, b.constant(positions)]));
  const each = b.op('Mul', [taken, b.op('Reshape', [dy, b.i64([n, channels, 1])])]);
  return [b.op('Reshape', [each, b.i64(shape)])];
}
