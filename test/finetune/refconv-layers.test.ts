import { readFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { differentiate } from '../../src/finetune/autodiff/differentiate.js';
import { emitInternal, inferTrained, typeLike } from '../../src/finetune/autodiff/internal.js';
import { lower } from '../../src/finetune/lowering/lower.js';
import { portable } from '../../src/finetune/lowering/portable/index.js';
import { Graph, GraphBuilder, Model, sizeOf, Tensor, tensorType, type Value } from '../../src/onnx/index.js';
import { gramMatrices, mapGradient, refConvDelta, refConvShape } from '../../src/reparam/index.js';
import { evaluate, type RefTensor, realTensor, toNumbers } from '../../src/runtime/reference/index.js';
import { type ArrayData, readSafetensors } from '../support/arrays.js';
import { expectClose } from '../support/close.js';
import { golden, goldenTest, haveGoldens } from '../support/goldens.js';

interface Layer {
  readonly name: string;
  readonly groups: number;
  readonly map_kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  readonly bias: boolean;
}

const layers: readonly Layer[] = haveGoldens
  ? JSON.parse(readFileSync(golden('refconv', 'layers', 'layers.json'), 'utf8')).layers
  : [];

/** Of float64 PyTorch; sums of a few hundred products. */
const BOUND = { absolute: 1e-10, relative: 1e-10 };

describe.each(['explicit', 'gram'] as const)('one layer against PyTorch in float64, %s', (form) => {
  for (const layer of layers)
    goldenTest(layer.name, () => {
      const file = readSafetensors(golden('refconv', 'layers', `${layer.name}.safetensors`));
      const array = (name: string): ArrayData => {
        const found = file.get(name);
        if (!found) throw new Error(`${layer.name} has no ${name}`);
        return found;
      };
      const numbers = (name: string): Float64Array => Float64Array.from(array(name).data, Number);
      const feeds = new Map<string, RefTensor>();
      const graph = new Graph(layer.name);
      const b = new GraphBuilder(graph, 20, {
        infer: inferTrained,
      });
      const input = (name: string, dims: readonly number[], data: Float64Array): Value => {
        feeds.set(name, realTensor(dims, data));
        return graph.addInput(name, tensorType('float32', dims));
      };
      const given = (name: string): Value => input(name, array(name).dims, numbers(name));

      const base = numbers('w_b');
      const { dims } = array('w_b');
      const shape = refConvShape(dims, layer.groups, [layer.map_kernel, layer.map_kernel]);
      const area = sizeOf(shape.kernel);
      const frozen = b.constant(Tensor.float32(dims, Float32Array.from(base)), 'w_b');
      // Constants of the Gram form are fed, so that they are not rounded to float32.
      const [kernel] =
        form === 'explicit'
          ? emitInternal(b, 'RefocusKernel', [frozen, given('w_r')], [typeLike(frozen, dims)], {
              group: shape.groups,
              channels: shape.channels,
            })
          : emitInternal(
              b,
              'GramKernel',
              [
                frozen,
                input('p0', dims, refConvDelta(base, numbers('w_r'), shape)),
                input('z', dims, new Float64Array(base.length)),
                input('alpha', [1], Float64Array.of(1)),
                input('k', [shape.groups, area, area], gramMatrices(base, shape)),
              ],
              [typeLike(frozen, dims)],
            );
      const x = given('x');
      const y = b.op('Conv', [x, kernel, ...(layer.bias ? [given('bias')] : [])], {
        group: layer.groups,
        strides: [layer.stride, layer.stride],
        dilations: [layer.dilation, layer.dilation],
        pads: [layer.padding, layer.padding, layer.padding, layer.padding],
      });
      const trained = form === 'explicit' ? kernel.producer?.input(1) : kernel;
      if (!trained) throw new Error('nothing is trained');
      const gradients = differentiate(b, new Map([[y, given('dy')]]), [trained, x]);
      for (const v of [kernel, y, gradients.get(trained), gradients.get(x)])
        if (v) graph.addOutput(b.op('Identity', [v]));
      lower(b, portable);
      const out = [...evaluate(new Model(graph, 20, 9), feeds).values()].map(toNumbers);
      expect(out).toHaveLength(4);
      const [wt, result, gradient, dx] = out;
      expectClose(wt, numbers('w_t64'), BOUND, 'W_t');
      expectClose(result, numbers('y64'), BOUND, 'y');
      const map = form === 'explicit' ? gradient : mapGradient(base, Float64Array.from(gradient), shape);
      expectClose(map, numbers('grad_w_r64'), BOUND, 'gradient of W_r');
      expectClose(dx, numbers('grad_x64'), BOUND, 'gradient of x');
    });
});
