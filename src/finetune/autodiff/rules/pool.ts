/**
 * MaxPool: each output's gradient goes to the maximum of its window, the first one where several are equal (PyTorch).
 * AveragePool: each output's gradient is spread evenly over its window (`count_include_pad` says what is counted).
 * GlobalAveragePool, ReduceMean: dX = dY / count, everywhere.   ReduceSum: dX = dY, everywhere.
 */
import { UnsupportedError } from '../../../base/errors.js';
import { sizeOf, type Value } from '../../../onnx/index.js';
import { poolGeometry } from '../geometry.js';
import { emitInternal, typeLike } from '../internal.js';
import type { GradientContext } from '../rule.js';

type Gradients = readonly (Value | undefined)[];

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
  if (geometry.dilations.some((d) => d !== 1))
    throw new UnsupportedError({
      problem: `${node.describe()}: no gradient for dilations ${geometry.dilations}`,
      expected: '1',
    });
  return emitInternal(b, 'AveragePoolGrad', [dy], [typeLike(x, shape)], {
    ...geometry,
    count_include_pad: attributes.countIncludePad ? 1 : 0,
    shape,
  });
}

export function globalAveragePoolGradient(c: GradientContext): Gradients {
  const shape = c.shape(c.node.input(0));
  return [spreadOver(c, c.dy, shape, 1 / sizeOf(shape.slice(2)))];
}

export function reduceMeanGradient(c: GradientContext): Gradients {
  const shape = c.shape(c.node.input(0));
  const axes = reducedAxes(c, shape);
  const count = axes.reduce((n, a) => n * shape[a], 1);
  return [spreadOver(c, keepAxes(c, shape, axes), shape, 1 / count)];
}

export function reduceSumGradient(c: GradientContext): Gradients {
  const shape = c.shape(c.node.input(0));
  return [spreadOver(c, keepAxes(c, shape, reducedAxes(c, shape)), shape, 1)];
}

function spreadOver({ b }: GradientContext, dy: Value, shape: readonly number[], scale: number): Value {
  const scaled = scale === 1 ? dy : b.op('Mul', [dy, b.f32(scale)]);
  return b.op('Expand', [scaled, b.i64(shape)]);
}

function reducedAxes({ node }: GradientContext, shape: readonly number[]): number[] {
  const input = node.inputs[1];
  const all = shape.map((_, i) => i);
  if (!input) return node.int('noop_with_empty_axes', 0) ? [] : all;
  const axes = input.constant;
  if (!axes)
    throw new UnsupportedError({
      problem: `${node.describe()}: axes '${input.name}' are computed`,
      expected: 'a constant',
    });
  const list = Array.from<bigint | number, number>(
    axes.typed(),
    (a) => (Number(a) + shape.length) % shape.length,
  );
  return list.length === 0 && !node.int('noop_with_empty_axes', 0) ? all : list;
}

function keepAxes({ b, dy }: GradientContext, shape: readonly number[], axes: readonly number[]): Value {
  return b.op('Reshape', [dy, b.i64(shape.map((d, i) => (axes.includes(i) ? 1 : d)))]);
}
