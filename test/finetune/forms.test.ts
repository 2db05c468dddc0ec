import { describe, expect, test } from 'vitest';
import { chooseForms, gramIsSmaller } from '../../src/finetune/step/forms.js';
import type { RefocusedKernel } from '../../src/finetune/step/prepare.js';
import { Graph, GraphBuilder, sizeOf, Tensor, tensorType, type Value } from '../../src/onnx/index.js';
import { refConvShape } from '../../src/reparam/index.js';

/** A depthwise layer over a map that `readers` transforms read. */
function kernelOver(b: GraphBuilder, map: Value, readers: number): RefocusedKernel {
  const dims = [8, 1, 3, 3];
  const shape = refConvShape(dims, 8, [3, 3]);
  const base = Tensor.float32(dims, new Float32Array(sizeOf(dims)).fill(1));
  const view = b.f32(new Float32Array(sizeOf(dims)), [1, 8, 3, 3]);
  const kernels = Array.from({ length: readers }, () =>
    b.op('Conv', [view, map], { pads: [1, 1, 1, 1] }, { name: 'transform' }),
  );
  const initial = Tensor.float32(shape.mapDims, new Float32Array(sizeOf(shape.mapDims)));
  return { layer: 'conv', kernel: kernels[0], base, map: { value: map, initial }, shape };
}

describe('the form of a map', () => {
  const graph = new Graph('forms');
  const b = new GraphBuilder(graph, 20);
  const mapOf = (name: string): Value => graph.addInput(name, tensorType('float32', [8, 8, 3, 3]));
  const [own, shared] = [kernelOver(b, mapOf('own'), 1), kernelOver(b, mapOf('shared'), 2)];
  const formOf = (kernel: RefocusedKernel, choice: 'auto' | 'gram' | 'explicit', nonlinear?: string) =>
    chooseForms([kernel], choice, nonlinear).get(kernel);

  test('auto takes the Gram form where it holds', () => {
    expect(formOf(own, 'auto')).toBe('gram');
    expect(formOf(own, 'explicit')).toBe('explicit');
    expect(formOf(own, 'auto', 'adam is not linear in the gradient')).toBe('explicit');
  });

  test('a map with two readers has no Z of its own', () => {
    expect(formOf(shared, 'auto')).toBe('explicit');
    expect(() => formOf(shared, 'gram')).toThrow(
      /--form gram for layer 'conv': its map is read by Conv 'transform_1' and Conv 'transform_2'/,
    );
  });

  test.each([
    // c, map kernel: Z, P₀ and K of a group hold 2·9·c + 81 values, the map c²·m²
    [1, 3, false],
    [1, 5, false],
    [4, 3, false],
    [5, 3, true],
    [2, 5, false],
    [3, 5, true],
    [16, 1, false],
    [64, 1, true],
    [960, 3, true],
  ])('%d channels, map kernel %d: smaller %s', (channels, m, smaller) => {
    const shape = refConvShape([channels, 1, 3, 3], channels, [m, m]);
    expect(gramIsSmaller(shape)).toBe(smaller);
  });
});
