/** Operators that make tensors: constants, ranges, random numbers. */
import { constantValue } from '../../ops/constant.js';
import { castTo } from '../../ops/layout.js';
import { type InferRule, typed } from '../context.js';
import { unknownDims } from '../dims.js';

export const constant: InferRule = (c) => {
  const tensor = constantValue(c.node);
  return [tensor && typed(tensor.dataType, tensor.dims)];
};

/** ConstantOfShape: dims from the input; float32 unless `value` says otherwise. */
export const constantOfShape: InferRule = (c) => {
  const dataType = c.node.tensor('value')?.dataType ?? 'float32';
  const dims = c.known(0);
  if (dims) {
    if (dims.data.some((d) => typeof d === 'number' && d < 0))
      c.refuse('shape', 'dims from 0', `[${dims.data}]`);
    return [typed(dataType, dims.data)];
  }
  return [typed(dataType, unknownDims(c.shape(0)?.[0]))];
};

/** Range: max(0, ceil((limit - start) / delta)) entries. */
export const range: InferRule = (c) => {
  const [start, limit, delta] = [0, 1, 2].map((i) => c.known(i)?.data[0]);
  if (delta === 0) c.refuse('delta', 'not 0', '0');
  if (typeof start === 'number' && typeof limit === 'number' && typeof delta === 'number')
    return c.like(0, [Math.max(0, Math.ceil((limit - start) / delta))]);
  return c.like(0, [start === 0 && delta === 1 && typeof limit === 'string' ? limit : null]);
};

/** RandomNormal, RandomUniform: dims in the attribute. */
export const random: InferRule = (c) => [
  typed(
    castTo(c.node, 'dtype', 'float32'),
    c.node.ints('shape') ?? c.refuse('attribute shape', 'a list', 'none'),
  ),
];

/** RandomNormalLike, RandomUniformLike, Bernoulli, EyeLike: dims of the input, type of the input unless `dtype` is there. */
export const randomLike: InferRule = (c) => {
  const dataType = c.node.attributes.has('dtype') ? castTo(c.node, 'dtype') : c.dataType(0);
  return [typed(dataType, c.shape(0))];
};
