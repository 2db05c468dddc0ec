import { join } from 'node:path';
import { beforeAll, describe, test } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import {
  Graph,
  GraphBuilder,
  Model,
  saveModel,
  sizeOf,
  Tensor,
  tensorType,
  type Value,
} from '../../src/onnx/index.js';
import { expectUserError, scratch } from './cli.js';

/** Networks that cannot be trained: what each is told, before anything runs. */
const cwd = scratch();

function weight(b: GraphBuilder, name: string, dims: readonly number[]): Value {
  const random = randomFor('unsupported', name);
  const data = Float32Array.from({ length: sizeOf(dims) }, () => random.normal() / 4);
  return b.constant(Tensor.float32(dims, data), name);
}

interface Net {
  readonly b: GraphBuilder;
  readonly x: Value;
  /** [N,8,16,16] */
  readonly features: Value;
}

/** Saves a classifier with something between its convolution and its head. */
async function save(file: string, middle: (net: Net) => Value, domain?: string): Promise<void> {
  const graph = new Graph('net');
  const x = graph.addInput('input', tensorType('float32', ['N', 3, 16, 16]));
  const b = new GraphBuilder(graph, 17);
  const features = b.op(
    'Conv',
    [x, weight(b, 'conv.weight', [8, 3, 3, 3])],
    { pads: [1, 1, 1, 1] },
    { name: 'conv' },
  );
  const y = middle({ b, x, features });
  const flat = b.op('Flatten', [b.op('GlobalAveragePool', [y])]);
  graph.addOutput(b.op('MatMul', [flat, weight(b, 'head.weight', [8, 10])], {}, { name: 'head' }));
  const model = new Model(graph, 17, 8);
  if (domain !== undefined) model.opsets.set(domain, 1);
  await saveModel(model, join(cwd, file));
}

const int8 = (dims: readonly number[]): Tensor =>
  Tensor.raw('int8', dims, new Uint8Array(sizeOf(dims)).fill(3));

interface Case {
  readonly middle: (net: Net) => Value;
  readonly message: RegExp;
  readonly domain?: string;
}

const cases: Readonly<Record<string, Case>> = {
  'an operator without a gradient': {
    middle: ({ b, features }) => b.op('Shrink', [features], {}, { name: 'pick' }),
    message:
      /cannot train through Shrink 'pick': no gradient.*\n.*operators with a gradient: Abs, Add.*Conv/s,
  },
  'an operator of a custom domain': {
    middle: ({ b, features }) => b.op('Fancy', [features], {}, { domain: 'com.example', name: 'fancy' }),
    domain: 'com.example',
    message: /com\.example\.Fancy 'fancy'.*custom domain com\.example/s,
  },
  "an operator of the runtime's own": {
    middle: ({ b, features }) => b.op('QuickGelu', [features], {}, { domain: 'com.microsoft', name: 'act' }),
    domain: 'com.microsoft',
    message: /com\.microsoft\.QuickGelu 'act': no gradient rule.*\n.*ai\.onnx/s,
  },
  'a branch on the data': {
    middle: ({ b, features }) => {
      const branch = (op: string): Graph => {
        const inner = new Graph(op, b.graph);
        const node = inner.addNode({ opType: op, inputs: [features], outputs: [`${op}_out`] });
        inner.addOutput(node.output());
        return inner;
      };
      const condition = b.op('Greater', [b.op('ReduceMean', [features], { keepdims: 0 }), b.f32(0)]);
      return b.op(
        'If',
        [condition],
        {
          then_branch: { type: 'graph', value: branch('Relu') },
          else_branch: { type: 'graph', value: branch('Neg') },
        },
        { name: 'choose' },
      );
    },
    message: /If 'choose': no gradient through control flow.*\n.*traced/s,
  },
  'a quantized network': {
    middle: ({ b, features }) => {
      const scale = b.f32(0.1);
      const q = b.op('QuantizeLinear', [features, scale], {}, { name: 'to integers' });
      return b.op('DequantizeLinear', [q, scale], {}, { name: 'from integers' });
    },
    message: /it is quantized.*float32.*'to integers'.*\n.*quantize what comes out/s,
  },
  'weights stored as integers': {
    middle: ({ b, features }) => {
      const stored = b.constant(int8([8, 8, 1, 1]), 'stored');
      const kernel = b.op('DequantizeLinear', [stored, b.f32(0.01)], {}, { name: 'widen' });
      return b.op('Conv', [features, kernel]);
    },
    message: /it is quantized.*DequantizeLinear 'widen'/s,
  },
  'float64 weights': {
    middle: ({ b, features }) => {
      const kernel = b.constant(Tensor.float64([8, 8, 1, 1], new Float64Array(64).fill(0.1)), 'wide');
      const wide = b.op('Conv', [b.op('Cast', [features], { to: 11 }), kernel], {}, { name: 'second' });
      return b.op('Cast', [wide], { to: 1 });
    },
    message: /cannot train 'wide' of Conv 'second'.*expected float32.*found float64.*\n.*convert/s,
  },
  'a shape that depends on the data': {
    middle: ({ b, features }) => {
      const found = b.op('Shape', [b.op('NonZero', [features], {}, { name: 'where' })]);
      const count = b.op('Slice', [found, b.i64([1]), b.i64([2])]);
      const times = b.op('Add', [b.op('Mod', [count, b.i64([2])]), b.i64([1])]);
      return b.op('Tile', [features, b.op('Concat', [b.i64([1, 1, 1]), times], { axis: 0 })]);
    },
    message: /NonZero 'where': the shape of its output .* depends on the data.*\n.*cut the model/s,
  },
  'a layer whose gradient ends in steps': {
    middle: ({ b, features }) => b.op('Floor', [features], {}, { name: 'steps' }),
    message: /the loss does not depend on .*'conv\.weight' of Conv 'conv' .*Floor 'steps'.*\n.*frozen/s,
  },
  'an unused layer': {
    middle: ({ b, features }) => {
      b.op('Conv', [features, weight(b, 'aside.weight', [4, 8, 1, 1])], {}, { name: 'aside' });
      return features;
    },
    message: /does not depend on 1 trainable tensor: 'aside\.weight'.*\n.*frozen.*remove/s,
  },
};

const fileOf = (name: string): string => `${name.replaceAll(/\W+/g, '-')}.onnx`;

beforeAll(async () => {
  for (const [name, { middle, domain }] of Object.entries(cases)) await save(fileOf(name), middle, domain);
});

describe('networks that cannot be trained', () => {
  for (const [name, { message }] of Object.entries(cases))
    test(name, async () => {
      const data = ['--data', 'shapes:size=16,train=64,eval=32', '--preprocess', 'cifar10', '--batch', '16'];
      await expectUserError(
        ['train', '--model', fileOf(name), ...data, '--out', fileOf(name).replace('.onnx', '')],
        3,
        message,
        { cwd },
      );
    });
});
