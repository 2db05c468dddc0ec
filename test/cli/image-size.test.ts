import { expect, test } from 'vitest';
import { imageShapes, imageSize } from '../../cli/image-size.js';
import { type Dim, Graph, Model, tensorType } from '../../src/onnx/index.js';

test.each([
  ['224', { height: 224, width: 224 }],
  ['96x160', { height: 96, width: 160 }],
  ['96×160', { height: 96, width: 160 }],
  ['16384', { height: 16384, width: 16384 }],
])('%s is a size', (text, size) => {
  expect(imageSize.parse(text)).toEqual(size);
});

test.each(['', '0', '4x', 'x4', '1x2x3', '1.5', '-1', '1e3', '16385', 'big', '96x0'])(
  '%j is none',
  (text) => {
    expect(imageSize.parse(text)).toBeUndefined();
  },
);

function taking(...shapes: (readonly Dim[])[]): Model {
  const graph = new Graph('g');
  for (const [i, shape] of shapes.entries()) graph.addInput(`x${i}`, tensorType('float32', shape));
  return new Model(graph, 17);
}

test('dims of the image input: the declared batch and channels, the size that was asked for', () => {
  const size = { height: 5, width: 7 };
  expect(imageShapes(taking(['N', 3, 'H', 'W']), size, 4)).toEqual({ x0: [4, 3, 5, 7] });
  expect(imageShapes(taking([2, 1, 28, 28], [2, 10]), size, 4)).toEqual({ x0: [2, 1, 5, 7] });
  expect(imageShapes(taking(['N', null, null, null]), size, 4)).toEqual({ x0: [4, 3, 5, 7] });
  expect(imageShapes(taking([null, null, null, 3]), size, 4)).toEqual({ x0: [4, 5, 7, 3] });
  expect(imageShapes(taking([1, 224, 224, 3]), size, 4)).toEqual({ x0: [1, 5, 7, 3] });
});

test('a model without an image, or with two, is refused', () => {
  const size = { height: 5, width: 7 };
  expect(() => imageShapes(taking(['N', 10]), size, 1)).toThrow(/no input of four axes/);
  expect(() => imageShapes(taking(['N', 3, 8, 8], ['N', 3, 8, 8]), size, 1)).toThrow(/x0, x1/);
});
