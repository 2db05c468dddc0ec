/** What inference knows of symbolic and unknown dims, and what it refuses; static shapes are in cases.test.ts. */
import { describe, expect, test } from 'vitest';
import { type AttributeInit, inferNode } from '../../../src/onnx/index.js';
import type { Dim } from '../../../src/onnx/ir/types.js';
import { singleNode, type TypedDims } from '../../support/op-case.js';

type Attributes = Readonly<Record<string, AttributeInit>>;
type Row = readonly [
  op: string,
  inputs: readonly (TypedDims | null)[],
  attributes: Attributes,
  expected: readonly Dim[] | undefined,
  opset?: number,
];

const f = (...dims: Dim[]): TypedDims => ['float32', dims];
const i64 = (...values: number[]): TypedDims => ['int64', [values.length], values];
const ints = (...dims: Dim[]): TypedDims => ['int64', dims];

function shape(
  op: string,
  inputs: readonly (TypedDims | null)[],
  attributes: Attributes,
  opset = 20,
): unknown {
  const [type] = inferNode(singleNode(op, inputs, attributes), opset);
  return type?.kind === 'tensor' ? type.shape : type;
}

describe('open dims', () => {
  const rows: readonly Row[] = [
    ['Conv', [f('N', 3, 'H', null), f(4, 3, 3, 3)], { pads: [1, 1, 1, 1] }, ['N', 4, 'H', null]],
    ['Conv', [f('N', 3, 'H', 9), f(4, 3, 3, 3)], { strides: [2, 2] }, ['N', 4, null, 4]],
    ['Conv', [f('N', 3, 'H', 'W'), f(4, 3, 3, 3)], { auto_pad: 'SAME_UPPER' }, ['N', 4, 'H', 'W']],
    ['Conv', [f('N', 3, 8, 8), f(null, null, null, null)], {}, ['N', null, null, null]],
    ['Conv', [f('N', 3, 8, 8), f(null, null, null, null)], { kernel_shape: [3, 3] }, ['N', null, 6, 6]],
    ['ConvTranspose', [f('N', 4, 'H', 5), f(4, 3, 2, 2)], { strides: [2, 2] }, ['N', 3, null, 10]],
    ['MaxPool', [f('N', 3, null, 8)], { kernel_shape: [2, 2], strides: [2, 2] }, ['N', 3, null, 4]],
    ['Add', [f('N', 1, 5), f(4, 1)], {}, ['N', 4, 5]],
    ['Add', [f('N', 3), f('M', 3)], {}, [null, 3]],
    ['Add', [f('N', 3), f(null, 3)], {}, [null, 3]],
    ['Add', [f(7, 3), f(null, 3)], {}, [7, 3]],
    ['MatMul', [f('N', 7, 3), f(3, 'K')], {}, ['N', 7, 'K']],
    ['Gemm', [f('N', 4), f(5, 4)], { transB: 1 }, ['N', 5]],
    ['Reshape', [f('N', 8, 1, 1), i64(0, -1)], {}, ['N', 8]],
    ['Reshape', [f('N', 8, 2, 2), i64(-1, 32)], {}, ['N', 32]],
    ['Reshape', [f('N', 'C', 2), i64(-1, 2)], {}, [null, 2]],
    ['Reshape', [f(2, 3), ints(3)], {}, [null, null, null]],
    ['Reshape', [f(2, 3), ints(null)], {}, undefined],
    ['Flatten', [f('N', 8, 2, 2)], {}, ['N', 32]],
    ['Flatten', [f('N', 8, 'H', 2)], {}, ['N', null]],
    ['Concat', [f('N', 3, 4), f('N', 5, 4)], { axis: 1 }, ['N', 8, 4]],
    ['Concat', [f('N', 3, 'W'), f('N', 5, 6)], { axis: 1 }, ['N', 8, 6]],
    ['Concat', [f('N', 3), f(null, 3)], { axis: 0 }, [null, 3]],
    ['Slice', [f('N', 8), i64(0), i64(2 ** 40), i64(0)], {}, ['N', 8]],
    ['Slice', [f('N', 8), i64(1), i64(2 ** 40), i64(0)], {}, [null, 8]],
    ['Slice', [f('N', 8), ints(1), ints(1), i64(1)], {}, ['N', null]],
    ['Slice', [f('N', 8), ints(1), ints(1), ints(1)], {}, [null, null]],
    ['Pad', [f('N', 3, 'H'), i64(0, 0, 1, 0, 0, 1)], {}, ['N', 3, null]],
    ['Split', [f('N', 6)], { axis: 1, num_outputs: 1 }, ['N', 6]],
    ['Squeeze', [f('N', 8, 1), i64(2)], {}, ['N', 8]],
    ['Squeeze', [f('N', 1)], {}, undefined],
    ['Unsqueeze', [f('N', 3), ints(2)], {}, [null, null, null, null]],
    ['ReduceMean', [f('N', 8, 'H', 'W'), i64(2, 3)], {}, ['N', 8, 1, 1]],
    ['ReduceMean', [f('N', 8, 'H', 'W'), ints(2)], { keepdims: 0 }, [null, null]],
    ['Transpose', [f('N', 2, 'W')], { perm: [2, 0, 1] }, ['W', 'N', 2]],
    ['Expand', [f('N', 1), i64(1, 5)], {}, ['N', 5]],
    ['Tile', [f('N', 2), i64(1, 3)], {}, ['N', 6]],
    ['Gather', [f('N', 3, 4), i64(0, 1)], { axis: 1 }, ['N', 2, 4]],
    ['Shape', [f('N', 3)], {}, [2]],
    ['DepthToSpace', [f('N', 8, 'H', 3)], { blocksize: 2 }, ['N', 2, null, 6]],
    ['Resize', [f('N', 3, 4, 4), null, ['float32', [4], [1, 1, 2, 2]]], {}, ['N', 3, 8, 8]],
    ['TopK', [f('N', 9), ints(1)], {}, ['N', null]],
    ['Einsum', [f('N', 3, 4), f(4, 'K')], { equation: 'nij,jk->nik' }, ['N', 3, 'K']],
    ['NonZero', [f(2, 3)], {}, [2, null]],
    ['MyOp', [f(2, 3)], {}, undefined],
    // Lengths that only a hostile file declares are not allocated.
    ['Reshape', [f(2, 3), ints(2 ** 40)], {}, undefined],
    ['ConstantOfShape', [ints(2 ** 40)], {}, undefined],
    ['Unsqueeze', [f(2), ints(2 ** 40)], {}, undefined],
    ['Squeeze', [f(2), ints(7)], {}, undefined],
  ];
  for (const [op, inputs, attributes, expected, opset] of rows)
    test(`${op} of ${JSON.stringify(inputs)}`, () => {
      expect(shape(op, inputs, attributes, opset)).toEqual(expected);
    });
});

type Refusal = readonly [
  why: RegExp,
  op: string,
  inputs: readonly (TypedDims | null)[],
  attributes?: Attributes,
  opset?: number,
];

describe('what is refused', () => {
  const rows: readonly Refusal[] = [
    [/input channels; expected 4, as the weight; found 3/, 'Conv', [f(1, 3, 8, 8), f(4, 4, 3, 3)]],
    [/input channels; expected 2 groups of 3.*found 3/, 'Conv', [f(1, 3, 8, 8), f(4, 3, 3, 3)], { group: 2 }],
    [/divisible by group 2; found 5/, 'Conv', [f(1, 4, 8, 8), f(5, 2, 3, 3)], { group: 2 }],
    [/group; expected at least 1; found 0/, 'Conv', [f(1, 3, 8, 8), f(4, 3, 3, 3)], { group: 0 }],
    [/bias; expected \[4\].*found \[5\]/, 'Conv', [f(1, 3, 8, 8), f(4, 3, 3, 3), f(5)]],
    [/bias; expected \[4\].*found \[1, 4\]/, 'Conv', [f(1, 3, 8, 8), f(4, 3, 3, 3), f(1, 4)]],
    [/weight; expected rank 4.*found \[4, 3, 3\]/, 'Conv', [f(1, 3, 8, 8), f(4, 3, 3)]],
    [/input 0; expected rank 3 or more/, 'Conv', [f(1, 3), f(4, 3)]],
    [/strides; expected 2 numbers; found 3/, 'Conv', [f(1, 3, 8, 8), f(4, 3, 3, 3)], { strides: [1, 1, 1] }],
    [
      /strides; expected numbers from 1; found \[0,1\]/,
      'Conv',
      [f(1, 3, 8, 8), f(4, 3, 3, 3)],
      { strides: [0, 1] },
    ],
    [/dilations; expected numbers from 1/, 'Conv', [f(1, 3, 8, 8), f(4, 3, 3, 3)], { dilations: [0, 1] }],
    [
      /kernel along spatial axis 1.*19 \(dilated\) over 8/,
      'Conv',
      [f(1, 3, 20, 8), f(4, 3, 3, 3)],
      { dilations: [9, 9] },
    ],
    [/pads; expected 4 numbers; found 3/, 'Conv', [f(1, 3, 8, 8), f(4, 3, 3, 3)], { pads: [1, 1, 1] }],
    [
      /pads; expected numbers from 0; found \[-5,0,-5,0\]/,
      'Conv',
      [f(1, 3, 8, 8), f(4, 3, 3, 3)],
      { pads: [-5, 0, -5, 0] },
    ],
    [/output would be empty/, 'Conv', [f(1, 3, 2, 8), f(4, 3, 3, 3)]],
    [
      /pads; expected numbers less than kernel_shape/,
      'MaxPool',
      [f(1, 3, 8, 8)],
      { kernel_shape: [2, 2], pads: [2, 0, 0, 0] },
    ],
    [
      /auto_pad; expected NOTSET.*'SOMETIMES'/,
      'Conv',
      [f(1, 3, 8, 8), f(4, 3, 3, 3)],
      { auto_pad: 'SOMETIMES' },
    ],
    [
      /auto_pad and pads; expected one of the two/,
      'Conv',
      [f(1, 3, 8, 8), f(4, 3, 3, 3)],
      { auto_pad: 'SAME_UPPER', pads: [1, 1, 1, 1] },
    ],
    [
      /kernel_shape; expected the weight's \[3,3\]; found \[5,5\]/,
      'Conv',
      [f(1, 3, 8, 8), f(4, 3, 3, 3)],
      { kernel_shape: [5, 5] },
    ],
    [/input channels; expected 4/, 'ConvTranspose', [f(1, 3, 8, 8), f(4, 3, 3, 3)]],
    [
      /an output that is not empty; found -1/,
      'ConvTranspose',
      [f(1, 4, 1, 1), f(4, 3, 1, 1)],
      { pads: [1, 1, 1, 1] },
    ],
    [/kernel_shape; expected a list; found none/, 'MaxPool', [f(1, 3, 8, 8)]],
    [/kernel_shape; expected 2 numbers; found \[3\]/, 'MaxPool', [f(1, 3, 8, 8)], { kernel_shape: [3] }],
    [/kernel along spatial axis 0/, 'AveragePool', [f(1, 3, 2, 8)], { kernel_shape: [3, 3] }],
    [
      /scale; expected shape \[4\].*found \[3\]/,
      'BatchNormalization',
      [f(1, 4, 2, 2), f(3), f(4), f(4), f(4)],
    ],
    [
      /variance; expected shape \[4\].*found \[5\]/,
      'BatchNormalization',
      [f(1, 4, 2, 2), f(4), f(4), f(4), f(5)],
    ],
    [/bias; expected shape \[4\]/, 'InstanceNormalization', [f(1, 4, 2, 2), f(4), f(3)]],
    [/scale; expected a shape that broadcasts to \[5\]/, 'LayerNormalization', [f(2, 5), f(4)]],
    [/num_groups 3; found 4/, 'GroupNormalization', [f(1, 4, 2), f(4), f(4)], { num_groups: 3 }, 21],
    [/inner dims.*expected 4.*found 7/, 'Gemm', [f(1, 4), f(5, 7)], { transB: 1 }],
    [/C; expected a shape that broadcasts to \[1, 5\]; found \[3\]/, 'Gemm', [f(1, 4), f(4, 5), f(3)]],
    [/rank 2; found rank 3/, 'Gemm', [f(1, 4, 1), f(4, 5)]],
    [/inner dims.*expected 3.*found 4/, 'MatMul', [f(2, 3), f(4, 5)]],
    [/shapes that broadcast; found \[2\] and \[3\]/, 'MatMul', [f(2, 3, 4), f(3, 4, 5)]],
    [/shapes that broadcast; found \[1, 5\] and \[3\]/, 'Add', [f(1, 5), f(3)]],
    [/shapes that broadcast/, 'Where', [['bool', [2]], f(3), f(3)]],
    [/slope; expected a shape that broadcasts to \[1, 4, 2\]/, 'PRelu', [f(1, 4, 2), f(3, 1)]],
    [/axis; expected -2 to 1.*found 5/, 'Concat', [f(1, 5), f(1, 5)], { axis: 5 }],
    [/axis 0 of the inputs; expected 1; found 2/, 'Concat', [f(1, 5), f(2, 5)], { axis: 1 }],
    [/inputs; expected rank 2.*found 3/, 'Concat', [f(1, 5), f(1, 5, 1)], { axis: 1 }],
    [/expected 5 elements.*found 8/, 'Reshape', [f(1, 5), i64(2, 4)]],
    [/a divisor of the elements/, 'Reshape', [f(1, 5), i64(-1, 4)]],
    [/at most one -1/, 'Reshape', [f(1, 5), i64(-1, -1)]],
    [/a 0 only at axes of the input/, 'Reshape', [f(1, 5), i64(1, 5, 0)]],
    [/dims from -1/, 'Reshape', [f(1, 5), i64(1, -5)]],
    [
      /perm; expected a permutation of 3 axes; found \[0,0,1\]/,
      'Transpose',
      [f(1, 2, 3)],
      { perm: [0, 0, 1] },
    ],
    [/axis 1; expected size 1; found 2/, 'Squeeze', [f(1, 2), i64(1)]],
    [/axes; expected each axis once/, 'Squeeze', [f(1, 1), i64(0, -2)]],
    [/axes; expected -2 to 1.*found 2/, 'ReduceMean', [f(1, 2), i64(2)]],
    [/axis; expected -2 to 1/, 'Softmax', [f(1, 2)], { axis: 2 }],
    [/starts, ends and axes; expected lists of one length/, 'Slice', [f(4), i64(0), i64(1, 2)]],
    [/steps; expected no 0/, 'Slice', [f(4), i64(0), i64(1), i64(0), i64(0)]],
    [/pads; expected 4 numbers; found 3/, 'Pad', [f(2, 3), i64(1, 1, 1)]],
    [/not negative; found -1/, 'Pad', [f(2, 3), i64(-3, 0, 0, 0)]],
    [/mode reflect/, 'Pad', [f(2, 3), i64(2, 0, 0, 0)], { mode: 'reflect' }],
    [/mode; expected constant, reflect, edge or wrap/, 'Pad', [f(2, 3), i64(2, 0, 0, 0)], { mode: 'mirror' }],
    [/split; expected sizes that add up to 6/, 'Split', [f(6), i64(5)]],
    [/split; expected 1 sizes/, 'Split', [f(6), i64(3, 3)]],
    [/indices; expected -3 to 2.*found 3/, 'Gather', [f(3), i64(3)]],
    [/k; expected 0 to 4.*found 5/, 'TopK', [f(4), i64(5)]],
    [/blocksize² = 4; found 6/, 'DepthToSpace', [f(1, 6, 2, 2)], { blocksize: 2 }],
    [/multiples of blocksize 2/, 'SpaceToDepth', [f(1, 6, 3, 2)], { blocksize: 2 }],
    [/scales; expected 4 numbers/, 'Resize', [f(1, 1, 2, 2), null, ['float32', [2], [2, 2]]]],
    [/scales; expected positive numbers/, 'Resize', [f(2), null, ['float32', [1], [0]]]],
    [
      /coordinate_transformation_mode/,
      'Resize',
      [f(2), null, ['float32', [1], [2]]],
      { coordinate_transformation_mode: 'x' },
    ],
    [/attribute to; expected a type/, 'Cast', [f(2)], { to: 99 }],
    [
      /delta; expected not 0/,
      'Range',
      [
        ['float32', [], [0]],
        ['float32', [], [2]],
        ['float32', [], [0]],
      ],
    ],
    [/equation; expected 2 terms/, 'Einsum', [f(2), f(2)], { equation: 'i' }],
    [/axis 'j'; expected 3; found 4/, 'Einsum', [f(2, 3), f(4, 2)], { equation: 'ij,jk' }],
    [/attribute then_branch; expected a graph; found none/, 'If', [['bool', []]]],
  ];
  for (const [why, op, inputs, attributes = {}, opset] of rows)
    test(`${op} of ${JSON.stringify(inputs)}: ${why}`, () => {
      expect(() => shape(op, inputs, attributes, opset)).toThrow(why);
      expect(() => shape(op, inputs, attributes, opset)).toThrow(/'n'/);
    });
});
