/** Operators that work element by element, with numpy broadcasting where they take several inputs. */
import type { DataType } from '../../ir/dtype.js';
import { castTo } from '../../ops/layout.js';
import { describeShape, type InferRule, typed } from '../context.js';
import { broadcast, broadcastsTo, type Shape } from '../dims.js';

/** Output has the type of the first input. */
export const unary: InferRule = (c) => [c.type(0)];

/** Element-wise with a fixed result type. */
export function unaryTo(dataType: DataType): InferRule {
  return (c) => [typed(dataType, c.shape(0))];
}

/** Two or more inputs of one type, broadcast. */
export const variadic: InferRule = (c) => {
  let shape: Shape | undefined = c.shape(0);
  for (let i = 1; i < c.node.inputs.length; i++) {
    const next = c.shape(i);
    shape = shape && next && broadcast(c.node, shape, next);
  }
  return [typed(c.dataType(0) ?? c.dataType(1), shape)];
};

/** Comparisons: bool. */
export const comparison: InferRule = (c) => {
  const a = c.shape(0);
  const b = c.shape(1);
  return [typed('bool', a && b && broadcast(c.node, a, b))];
};

/** Pow: the base's type; the exponent may have another. */
export const pow: InferRule = (c) => {
  const a = c.shape(0);
  const b = c.shape(1);
  return c.like(0, a && b && broadcast(c.node, a, b));
};

/** PRelu: the slope broadcasts to the input, never the other way. */
export const prelu: InferRule = (c) => {
  const x = c.shape(0);
  const slope = c.shape(1);
  if (x && slope && !broadcastsTo(slope, x))
    c.refuse('slope', `a shape that broadcasts to ${describeShape(x)}`, describeShape(slope));
  return c.like(0, x);
};

export const where: InferRule = (c) => {
  const [condition, a, b] = [c.shape(0), c.shape(1), c.shape(2)];
  const shape = condition && a && b && broadcast(c.node, broadcast(c.node, condition, a), b);
  return [typed(c.dataType(1) ?? c.dataType(2), shape)];
};

export const cast: InferRule = (c) => [typed(castTo(c.node), c.shape(0))];

export const castLike: InferRule = (c) => [typed(c.dataType(1), c.shape(0))];

/** Dropout: the mask is bool from opset 10, of the data's type before. */
export const dropout: InferRule = (c) => {
  const mask = c.opset >= 10 ? 'bool' : c.dataType(0);
  return [c.type(0), typed(mask, c.shape(0))];
};

/** Clip: bounds are scalars. */
export const clip: InferRule = (c) => {
  for (const i of [1, 2]) c.checkRank(i, 'a scalar', (r) => r === 0 || (r === 1 && c.shape(i)?.[0] === 1));
  return [c.type(0)];
};
