import { existsSync, readdirSync } from 'node:fs';
import { afterAll, beforeAll, expect } from 'vitest';
import {
  checkModel,
  type Graph,
  loadModel,
  type Model,
  sizeOf,
  Tensor,
  verifyModel,
} from '../../../src/onnx/index.js';
import {
  createEngine,
  type Engine,
  findTrainingNodes,
  specialize,
  toInferenceMode,
} from '../../../src/runtime/index.js';
import { readNpy } from '../../support/arrays.js';
import { expectClose } from '../../support/close.js';
import { golden, goldenTest, haveGoldens, sharedFile } from '../../support/goldens.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 2 });
});
afterAll(() => engine.close());

function npy(...path: string[]): Tensor {
  const { dims, data } = readNpy(golden('onnx-export', ...path));
  if (!(data instanceof Float32Array)) throw new Error('float32 expected');
  return Tensor.float32(dims, data);
}

/** The first `batch` samples, beginning again at the first when there are no more. */
function cycle(tensor: Tensor, batch: number): Tensor {
  const [n, ...rest] = tensor.dims;
  const run = sizeOf(rest);
  const data = tensor.typed();
  if (!(data instanceof Float32Array)) throw new Error('float32 expected');
  const out = new Float32Array(batch * run);
  for (let i = 0; i < batch; i++) out.set(data.subarray((i % n) * run, ((i % n) + 1) * run), i * run);
  return Tensor.float32([batch, ...rest], out);
}

function expectStatic(model: Model): void {
  verifyModel(model);
  checkModel(model);
  for (const v of model.graph.values())
    if (v.name !== '') expect(v.shape, `shape of '${v.name}'`).toBeDefined();
  for (const node of model.graph.nodes) {
    expect(['Shape', 'Size', 'If', 'Constant', 'ConstantOfShape']).not.toContain(node.opType);
    expect(node.attributes.has('auto_pad') && node.string('auto_pad', '') !== 'NOTSET').toBe(false);
  }
}

async function run(model: Model, input: Tensor): Promise<Map<string, Tensor>> {
  const session = await engine.session(model);
  const [name] = session.inputNames;
  const out = await session.run(new Map([[name, input]]));
  await session.release();
  return out;
}

function* allValueNames(graph: Graph): Generator<string> {
  for (const v of graph.values()) yield v.name;
  for (const node of graph.nodes) for (const inner of node.subgraphs) yield* allValueNames(inner);
}

const nets = haveGoldens ? readdirSync(golden('onnx-export')) : ['(all networks)'];

for (const net of nets)
  goldenTest(`${net}: every export at batch 3 gives the reference output, all shapes static`, async () => {
    const files = readdirSync(golden('onnx-export', net)).filter((f) => f.endsWith('.onnx'));
    expect(files.length).toBeGreaterThan(2);
    for (const file of files) {
      const original = await loadModel(golden('onnx-export', net, file));
      // Two training exports hold traced stochastic depth, which has an inference form too.
      expect(toInferenceMode(original).random).toEqual([]);
      const { model, report } = await specialize(original, { batch: 3, engine });
      expectStatic(model);
      const input = npy(net, 'input.npy');
      expect([...report.inputs]).toEqual([['input', [3, ...input.dims.slice(1)]]]);

      // What stays keeps its name.
      const names = new Set(allValueNames(original.graph));
      for (const node of model.graph.nodes) for (const o of node.outputs) expect(names).toContain(o.name);
      expect(model.graph.outputs.map((v) => v.name)).toEqual(original.graph.outputs.map((v) => v.name));

      const out = await run(model, cycle(input, 3));
      const special = file.replace('.onnx', '.output.npy');
      for (const [name, result] of out) {
        const own = name === 'output' && existsSync(golden('onnx-export', net, special));
        const reference = own ? special : `${name}.npy`;
        const expected = cycle(npy(net, reference), 3);
        expect(result.dims).toEqual(expected.dims);
        const [a, e] = [result.typed(), expected.typed()];
        if (!(a instanceof Float32Array && e instanceof Float32Array)) throw new Error('float32 expected');
        expectClose(a, e, { absolute: 1e-4 }, `${net}/${file} ${reference}`);
      }
      if (report.replacedBatch !== null) expect(report.batchDifference).toBeLessThan(1e-5);
    }
  });

goldenTest('training exports are recognized, and only they', async () => {
  for (const net of nets)
    for (const file of readdirSync(golden('onnx-export', net)).filter((f) => f.endsWith('.onnx'))) {
      const { batchNorms, dropouts, random } = findTrainingNodes(
        await loadModel(golden('onnx-export', net, file)),
      );
      const found = batchNorms.length + dropouts.length + random.length;
      if (file !== 'script17_train.onnx') expect(found, `${net}/${file}`).toBe(0);
      // FasterNet and others have BatchNormalization, AlexNet Dropout, ConvNeXt stochastic depth: each has something.
      else expect(found, `${net}/${file}`).toBeGreaterThan(0);
    }
});

goldenTest('a published ResNet-32 with batch 1 in its constants runs at batch 8', async () => {
  const original = await loadModel(sharedFile('checkpoints/resnet-cifar10-onnx/resnet32_cifar10_pre.onnx'));
  const { model, report } = await specialize(original, { batch: 8, engine });
  expectStatic(model);
  expect(report.replacedBatch).toBe(1);
  const [dims] = report.inputs.values();
  expect(dims[0]).toBe(8);
  const one = sizeOf(dims.slice(1));
  const data = Float32Array.from({ length: 8 * one }, (_, i) => Math.sin(i * 0.7) * 2);
  const [all] = (await run(model, Tensor.float32(dims, data))).values();
  const [, ...rest] = all.dims;
  for (let i = 0; i < 8; i++) {
    const image = Tensor.float32([1, ...dims.slice(1)], data.slice(i * one, (i + 1) * one));
    const [single] = (await run(original, image)).values();
    const run8 = sizeOf(rest);
    const [a, e] = [all.typed(), single.typed()];
    if (!(a instanceof Float32Array && e instanceof Float32Array)) throw new Error('float32 expected');
    expectClose(a.slice(i * run8, (i + 1) * run8), e, { absolute: 1e-4 }, `image ${i}`);
  }
});
