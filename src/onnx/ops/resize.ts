/**
 * Resize (10, 11, 13, 18, 19) and Upsample (7, 9), read into one form. Resize 10: inputs X, scales; asymmetric, nearest
 * floor. Resize 11 up: X, roi, scales, sizes. Upsample 7: attribute scales; Upsample 9: input 1.
 */
import type { Node } from '../ir/node.js';
import { type ConstantOf, constantOf, normalizeAxes, numbersOf } from './axes.js';
import { refuse } from './fail.js';

export type ResizeMode = 'nearest' | 'linear' | 'cubic';
export type CoordinateMode =
  | 'half_pixel'
  | 'half_pixel_symmetric'
  | 'pytorch_half_pixel'
  | 'align_corners'
  | 'asymmetric'
  | 'tf_half_pixel_for_nn'
  | 'tf_crop_and_resize';
export type NearestMode = 'round_prefer_floor' | 'round_prefer_ceil' | 'floor' | 'ceil';

export interface ResizeAttributes {
  readonly mode: ResizeMode;
  readonly coordinates: CoordinateMode;
  readonly nearest: NearestMode;
  readonly cubicCoefficient: number;
  readonly excludeOutside: boolean;
  readonly antialias: boolean;
  readonly extrapolation: number;
  readonly aspect: 'stretch' | 'not_larger' | 'not_smaller';
  /** Axes that scales and sizes speak of, in 0..rank-1. */
  readonly axes: readonly number[];
  /** One per entry of `axes`. Undefined: absent or no constant. */
  readonly scales: readonly number[] | undefined;
  readonly sizes: readonly number[] | undefined;
}

const MODES = ['nearest', 'linear', 'cubic'] as const;
const COORDINATES = [
  'half_pixel',
  'half_pixel_symmetric',
  'pytorch_half_pixel',
  'align_corners',
  'asymmetric',
  'tf_half_pixel_for_nn',
  'tf_crop_and_resize',
] as const;
const NEAREST = ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'] as const;
const ASPECTS = ['stretch', 'not_larger', 'not_smaller'] as const;

/** @param rank of the input */
export function resizeAttributes(
  node: Node,
  rank: number,
  opset: number,
  known: ConstantOf = constantOf,
): ResizeAttributes {
  const old = node.opType === 'Upsample' || opset < 11;
  const list = (index: number): readonly number[] | undefined => {
    const input = node.inputs[index];
    const tensor = input && known(input);
    const numbers = tensor && numbersOf(tensor);
    return numbers && numbers.length > 0 ? numbers : undefined;
  };
  const given = node.ints('axes');
  const axes = given ? normalizeAxes(node, given, rank) : Array.from({ length: rank }, (_, i) => i);
  const scales = old ? (node.floats('scales') ?? list(1)) : list(2);
  const sizes = old ? undefined : list(3);
  if (scales && scales.length !== axes.length)
    refuse(node, 'scales', `${axes.length} numbers`, `[${scales}]`);
  if (sizes && sizes.length !== axes.length) refuse(node, 'sizes', `${axes.length} numbers`, `[${sizes}]`);
  if (scales?.some((s) => !(s > 0))) refuse(node, 'scales', 'positive numbers', `[${scales}]`);
  return {
    mode: oneOf(node, 'mode', MODES, 'nearest'),
    coordinates: old
      ? 'asymmetric'
      : oneOf(node, 'coordinate_transformation_mode', COORDINATES, 'half_pixel'),
    nearest: old ? 'floor' : oneOf(node, 'nearest_mode', NEAREST, 'round_prefer_floor'),
    cubicCoefficient: node.float('cubic_coeff_a', -0.75),
    excludeOutside: node.int('exclude_outside', 0) !== 0,
    antialias: node.int('antialias', 0) !== 0,
    extrapolation: node.float('extrapolation_value', 0),
    aspect: oneOf(node, 'keep_aspect_ratio_policy', ASPECTS, 'stretch'),
    axes,
    scales,
    sizes,
  };
}

function oneOf<T extends string>(node: Node, name: string, all: readonly T[], otherwise: T): T {
  const s = node.string(name, otherwise);
  const found = all.find((x) => x === s);
  return found ?? refuse(node, `attribute ${name}`, all.join(', '), `'${s}'`);
}
