import { expect, test } from 'vitest';
import { decodeModel } from '../../src/onnx/codec/decode.js';
import { encodeModel } from '../../src/onnx/codec/encode.js';
import { countModel, Tensor } from '../../src/onnx/index.js';
import { buildModel } from '../../src/zoo/index.js';

test('elements are made once, when they are read', () => {
  let made = 0;
  const lazy = Tensor.lazyFloat32([2, 2], () => {
    made++;
    return Float32Array.from([1, 2, 3, 4]);
  });
  expect(lazy.with({ dims: [4] }).size).toBe(4);
  expect(made).toBe(0);
  expect([...lazy.typed()]).toEqual([1, 2, 3, 4]);
  expect(lazy.with({ dims: [4] }).bytes()).toBe(lazy.bytes());
  expect(made).toBe(1);
});

test('what fills other dims is refused', () => {
  const lazy = Tensor.lazyFloat32([3], () => new Float32Array(4));
  expect(() => lazy.bytes()).toThrow(/float32 tensor of \[3\]; expected 12 bytes; found 16/);
});

test('a network is built and counted without its weights, and written with them', () => {
  const model = buildModel('resnet20', { width: 0.25 });
  const weight = model.graph.find('conv1.weight')?.initializer;
  expect(weight?.storage.kind).toBe('made');
  const before = countModel(model).parameters;
  const read = decodeModel(encodeModel(model));
  expect(countModel(read).parameters).toBe(before);
  expect(read.graph.find('conv1.weight')?.initializer?.bytes()).toEqual(weight?.bytes());
});
