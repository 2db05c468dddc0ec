import { afterAll, beforeAll, expect } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import {
  decodeModel,
  encodeModel,
  loadModel,
  type Model,
  type Tensor,
  verifyModel,
} from '../../src/onnx/index.js';
import {
  constantOf,
  expand,
  fuse,
  restoreBatchNorm,
  setConstant,
  trainables,
  verify,
} from '../../src/reparam/index.js';
import { fromFloat64, isFloatType } from '../../src/reparam/numbers.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { goldenTest, sharedFile } from '../support/goldens.js';
import { normals } from './nets.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 2 });
});
afterAll(() => engine.close());

/** Real networks of other people's making: file, convolutions larger than 1×1, those that get a normalization back. */
const CHECKPOINTS = [
  { path: 'derived/mobilenet_v1_075_224.onnx', spatial: 14, restored: 0 },
  { path: 'derived/resnet20_cifar10_bn.onnx', spatial: 19, restored: 0 },
  { path: 'resnet-cifar10-onnx/resnet32_cifar10_pre.onnx', spatial: 31, restored: 33 },
  {
    path: 'mobilenet_v2_035_128-flowers/mobilenet_v2_0.35_128_tfs_channel_first.onnx',
    spatial: 18,
    restored: 45,
  },
  { path: 'ultraface-rfb320/version-RFB-320.onnx', spatial: 28, restored: 9 },
  { path: 'mnist-cntk/mnist.onnx', spatial: 2, restored: 0 },
  { path: 'squeezenet-fp16/SqueezeNet_fp16.onnx', spatial: 9, restored: 25 },
] as const;

function inputs(model: Model, count: number): Map<string, Tensor>[] {
  return Array.from({ length: count }, (_, i) => {
    const feeds = new Map<string, Tensor>();
    for (const v of model.graph.requiredInputs) {
      const type = v.type?.kind === 'tensor' ? v.type : undefined;
      const dims = (type?.shape ?? []).map((d) => (typeof d === 'number' ? d : 1));
      const data = Float64Array.from(
        normals(
          dims.reduce((a, b) => a * b, 1),
          'checkpoint',
          i,
        ),
      );
      feeds.set(
        v.name,
        fromFloat64(type && isFloatType(type.dataType) ? type.dataType : 'float32', dims, data),
      );
    }
    return feeds;
  });
}

for (const { path, spatial } of CHECKPOINTS)
  goldenTest(`${path}: expand and fuse`, async () => {
    const baseline = await loadModel(sharedFile('checkpoints', path));
    const original = Buffer.from(encodeModel(baseline));
    const { model: training, form } = expand(baseline);
    expect(form.layers).toHaveLength(spatial);
    verifyModel(training);
    const reloaded = decodeModel(encodeModel(training));
    expect(Buffer.from(encodeModel(fuse(reloaded).model)).equals(original)).toBe(true);

    const names = trainables(training).trainable.map((v) => v.name);
    expect(names.filter((n) => n.endsWith('/refconv/map'))).toHaveLength(spatial);

    // small maps, as after a little training
    for (const layer of form.layers) {
      const tensor = constantOf(layer.map);
      if (!tensor || !isFloatType(tensor.dataType)) throw new Error('no map');
      const random = randomFor(0, layer.layer);
      const data = new Float64Array(tensor.size).map(() => (random.next() - 0.5) * 0.03);
      setConstant(layer.map, fromFloat64(tensor.dataType, tensor.dims, data));
    }
    const fused = fuse(training).model;
    // 16-bit networks: the runtime computes the transform in 16 bits, the file holds it rounded once
    const half = form.layers.some((l) => constantOf(l.base)?.dataType === 'float16');
    const report = await verify(training, fused, engine, { samples: 1, tolerance: half ? 1e-2 : 1e-5 });
    expect(report.problems).toEqual([]);
    for (const w of report.weights) expect(w.maxRelative).toBeLessThanOrEqual(half ? 2 ** -11 : 2 ** -24);
    expect(report.worstNode).not.toBeNull();
  });

for (const { path, restored } of CHECKPOINTS)
  if (restored > 0)
    goldenTest(`${path}: restore the folded normalizations`, async () => {
      const baseline = await loadModel(sharedFile('checkpoints', path));
      const result = await restoreBatchNorm(baseline, { engine, batches: inputs(baseline, 2) });
      expect(result.inserted).toHaveLength(restored);
      verifyModel(result.model);
      const half = path.includes('fp16');
      // float16 normalizations round at 2^-11 in every layer
      const tolerance = half ? 5e-3 : 1e-5;
      const report = await verify(baseline, result.model, engine, { samples: 2, tolerance });
      expect(report.problems).toEqual([]);
      const back = fuse(decodeModel(encodeModel(result.model))).model;
      expect(back.graph.nodes.map((n) => [n.name, n.opType, n.outputs.map((v) => v.name)])).toEqual(
        baseline.graph.nodes.map((n) => [n.name, n.opType, n.outputs.map((v) => v.name)]),
      );
      const again = await verify(baseline, back, engine, { samples: 2, tolerance });
      expect(again.problems).toEqual([]);
    });
