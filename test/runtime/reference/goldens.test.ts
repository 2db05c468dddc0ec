/** The interpreter against other implementations' results: PyTorch in float32 and in float64. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { constantOf, loadModel, type Model, type Value } from '../../../src/onnx/index.js';
import { evaluate, type RefTensor, realTensor } from '../../../src/runtime/reference/index.js';
import { type ArrayData, readNpy, readSafetensors } from '../../support/arrays.js';
import { difference } from '../../support/close.js';
import { golden, goldenTest } from '../../support/goldens.js';

const NETWORKS = [
  'alexnet',
  'alexnet_lrn_grouped',
  'convnext_narrow',
  'densenet_tiny',
  'efficientnet_narrow',
  'fasternet_slicing',
  'fasternet_split',
  'googlenet_aux',
  'googlenet_oddsize',
  'hbonet',
  'mobilenet_v1',
  'mobilenet_v2_025',
  'mobilenet_v3_small',
  'mobilenext',
  'resnet18_narrow',
  'resnet_bottleneck',
  'shufflenet_v1_g3',
  'shufflenet_v2',
  'squeezenet',
];
const TRAINED = [
  'activations',
  'convs',
  'convs_adam_l2',
  'efficientnet_mixup',
  'layernorm_gemm',
  'lrn_dropout',
  'mbv2_adamw',
  'mbv2_bn_relu6',
  'mbv3_label_smoothing',
  'pools',
  'repvgg',
  'repvgg_rmsprop_mse',
  'resnet_nesterov',
  'se_split_shuffle',
  'segmentation',
  'shared_weights',
];

function feed(t: ArrayData | undefined): RefTensor {
  if (!t) throw new Error('the golden file lacks an input');
  return realTensor(t.dims, Float64Array.from<number | bigint>(t.data, Number));
}

function run(
  model: Model,
  inputs: ReadonlyMap<string, ArrayData> | ArrayData,
  overrides: ReadonlyMap<Value, RefTensor> = new Map(),
): RefTensor {
  const names = model.graph.requiredInputs.map((v) => v.name);
  const feeds = new Map(names.map((name) => [name, feed('data' in inputs ? inputs : inputs.get(name))]));
  const fetch = [model.graph.outputs[0]];
  const [y] = evaluate(model, feeds, { fetch, overrides }).values();
  return y;
}

/** Largest difference relative to the largest value. */
function relative(y: RefTensor, expected: ArrayData | undefined, what: string): number {
  expect(y.dims, `${what}: dims`).toEqual(expected?.dims);
  const { max, scale } = difference(Array.from(y.data, Number), Array.from(expected?.data ?? [], Number));
  return max / scale;
}

/** The decimal or fraction that was written before float32 rounded it. */
function unround(value: number): number {
  const known = [1 / 6, Math.SQRT2, Math.sqrt(2 / Math.PI), Number(value.toPrecision(7))];
  return known.find((k) => Math.fround(k) === value) ?? value;
}

/**
 * The file holds epsilons, slopes and the like as float32 attributes and scalar constants, which the float64 run had as
 * doubles: putting the doubles back leaves nothing but the order of summation between the two.
 */
function unroundScalars(model: Model): Map<Value, RefTensor> {
  const scalars = new Map<Value, RefTensor>();
  for (const node of model.graph.nodes) {
    for (const [name, a] of node.attributes)
      if (a.type === 'float') node.attributes.set(name, { ...a, value: unround(a.value) });
    for (const value of node.inputs) {
      if (!value) continue;
      const tensor = constantOf(value);
      if (tensor?.dataType === 'float32' && tensor.dims.length === 0)
        scalars.set(value, realTensor([], [unround(Number(tensor.typed()[0]))], 'float32'));
    }
  }
  return scalars;
}

describe('exported networks against PyTorch', () => {
  for (const name of NETWORKS)
    goldenTest(`${name}: every file within float32 rounding`, async () => {
      const folder = golden('onnx-export', name);
      const info: { float32_vs_float64_max_abs?: number } = JSON.parse(
        readFileSync(`${folder}/info.json`, 'utf8'),
      );
      const input = readNpy(`${folder}/input.npy`);
      const files = readdirSync(folder).filter((f) => f.endsWith('.onnx'));
      expect(files.length).toBeGreaterThan(2);
      for (const file of files) {
        // Random masks or batch statistics: output.npy, which is of eval mode, is not what it computes.
        if (file === 'script17_train.onnx') continue;
        const own = `${folder}/${file.replace('.onnx', '.output.npy')}`;
        const expected = readNpy(existsSync(own) ? own : `${folder}/output.npy`);
        const y = run(await loadModel(`${folder}/${file}`), input);
        expect(y.dims).toEqual(expected.dims);
        const { max } = difference(y.data as Float64Array, expected.data as Float32Array);
        // PyTorch's own distance to float64; folding a BatchNormalization in float32 moves weights about as far again.
        expect(max, `${name}/${file}`).toBeLessThan(
          2 * (info.float32_vs_float64_max_abs ?? Number.NaN) + 1e-7,
        );
      }
    });
});

describe('training networks against PyTorch in float64', () => {
  for (const name of TRAINED)
    goldenTest(`${name}: logits in both modes`, async () => {
      const folder = golden('train-step', name);
      const batch = readSafetensors(`${folder}/batch.safetensors`);
      const expected = readSafetensors(`${folder}/golden64.safetensors`);
      for (const [file, key] of [
        ['forward_train', 'step1.logits'],
        ['forward_eval', 'before.eval_logits'],
      ]) {
        const model = await loadModel(`${folder}/${file}.onnx`);
        const overrides = unroundScalars(model);
        expect(
          relative(run(model, batch, overrides), expected.get(key), `${name} ${key}`),
          `${name} ${key}`,
        ).toBeLessThan(1e-12);
      }
    });
});

describe('re-parameterizable blocks against PyTorch in float64', () => {
  goldenTest('every block, BatchNormalization and all', async () => {
    const names = readdirSync(golden('branches')).filter((f) => f.endsWith('.onnx'));
    expect(names.length).toBe(30);
    for (const file of names) {
      const name = file.replace('.onnx', '');
      const model = await loadModel(golden('branches', file));
      const overrides = unroundScalars(model);
      const x = readSafetensors(golden('branches', `${name}.safetensors`)).get('x');
      const y = readSafetensors(golden('branches', `${name}.fused64.safetensors`)).get('y');
      if (!x) throw new Error(`${name} has no input`);
      expect(relative(run(model, x, overrides), y, name), name).toBeLessThan(1e-12);
    }
  });
});
