import { beforeAll, describe, expect, test } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import {
  type InspectStepOptions,
  inspectStep,
  type StepInspection,
} from '../../src/finetune/inspect-step.js';
import { OPTIM_DEFAULTS } from '../../src/finetune/options.js';
import { kindOf } from '../../src/finetune/step/kinds.js';
import { partsOf } from '../../src/finetune/step/parts.js';
import { Graph, GraphBuilder, Model, Node, Tensor, tensorType, Value } from '../../src/onnx/index.js';
import { stepJson, stepTable } from '../../src/report/inspect-step.js';
import { buildModel } from '../../src/zoo/index.js';

const options = (change: Partial<InspectStepOptions> = {}): InspectStepOptions => ({
  ...OPTIM_DEFAULTS,
  batch: 4,
  form: 'auto',
  lowering: 'portable',
  create: false,
  ...change,
});

describe('the step of a MobileNetV2', () => {
  const model = (): Model => buildModel('mobilenetv2', { width: 0.25, size: 32, stem: 'cifar', classes: 10 });
  let inspection: StepInspection;
  beforeAll(async () => {
    inspection = await inspectStep(model(), options({ create: true }));
  }, 60_000);

  test('every node is counted once, by operator and by part', () => {
    const { step, ops, parts } = inspection;
    const nodes = step.model.graph.nodes.length;
    expect(ops.reduce((n, o) => n + o.nodes, 0)).toBe(nodes);
    expect(parts.forward + parts.gradient + parts.optimizer).toBe(nodes);
    expect(ops).toEqual([...ops].sort((a, b) => b.nodes - a.nodes));
  });

  test('parts: the layers are forward, their gradients gradient, new weights and statistics optimizer', () => {
    const { step } = inspection;
    const parts = partsOf(step);
    const outputs = new Map(step.model.graph.outputs.map((v) => [v.name, v.producer]));
    for (const { output } of step.state) {
      const node = outputs.get(output);
      expect(node && parts.get(node), output).toBe('optimizer');
    }
    for (const node of step.model.graph.nodes) {
      const part = parts.get(node);
      if (node.opType === 'Clip') expect(part, node.name).toBe('forward');
      if (/_grad\/(Conv|BatchNormTrain|Clip)/.test(node.name)) expect(part, node.name).toBe('gradient');
      if (/\/momentum(_\d+)?$/.test(node.name)) expect(part, node.name).toBe('optimizer');
    }
  });

  test('kinds of convolutions: 17 depthwise layers, forward, and those of their gradients', async () => {
    const forward = inspection.step.model.graph.nodes.filter((n) =>
      /^features\.\d+\.conv\.\d\.0$/.test(n.name),
    );
    const kinds = forward.filter((n) => n.opType === 'Conv').map(kindOf);
    expect(kinds.filter((k) => k === 'Conv, depthwise')).toHaveLength(17);
    expect(kinds.filter((k) => k === 'Conv, 1×1').length).toBeGreaterThan(0);
  });

  test('fewer options, fewer nodes and tensors', async () => {
    const bare = await inspectStep(model(), options({ momentum: 0, weightDecay: 0, bn: 'frozen' }));
    expect(bare.parts.optimizer).toBeLessThan(inspection.parts.optimizer);
    expect(bare.parts.forward).toBeLessThan(inspection.parts.forward);
    expect(new Set(bare.step.state.map((s) => s.kind))).toEqual(new Set(['parameter']));
    expect(bare.memory.state).toBeLessThan(inspection.memory.state);
    expect(bare.seconds.session).toBeNull();
  });

  test('a larger batch: more activations, the same state', async () => {
    const large = await inspectStep(model(), options({ batch: 16 }));
    expect(large.memory.state).toBe(inspection.memory.state);
    expect(large.memory.activations / inspection.memory.activations).toBeGreaterThan(3);
  });

  test('as JSON and as text', () => {
    const json = stepJson(inspection);
    expect(json).toMatchObject({
      batch: 4,
      image: [3, 32, 32],
      lowering: 'portable',
      opsets: { 'ai.onnx': 20 },
      inputs: [
        { name: 'image', dataType: 'uint8', shape: [4, 3, 32, 32] },
        { name: 'label', dataType: 'int32', shape: [4] },
        { name: 'lr', dataType: 'float32', shape: [] },
      ],
    });
    const { parameter, momentum, running } = json.state.kinds;
    expect([parameter, momentum]).toEqual([158, 158]);
    expect(json.state.tensors).toBe(parameter + momentum + running);
    expect(4 * inspection.step.state.reduce((n, s) => n + s.initial.size, 0)).toBe(json.state.bytes);
    expect(JSON.parse(JSON.stringify(json))).toEqual(json);
    const text = stepTable(json);
    expect(text).toMatch(/^operator +nodes\n/);
    expect(text).toMatch(/step +4 images of \[3, 32, 32\], portable lowering, ai\.onnx 20/);
    expect(text).toMatch(/nodes +[\d,]+: [\d,]+ \(\d+\.\d+ %\) forward, .* gradient, .* optimizer/);
    expect(text).toMatch(/memory +about \d+ MiB: state .*, activations /);
    expect(text).toMatch(/seconds +.* to build the graph, .* for the runtime's session/);
    expect(stepTable(json, 'csv').split('\n')).toHaveLength(1 + json.ops.length);
  });
});

test('images of any size need --image', async () => {
  const graph = new Graph('g');
  const b = new GraphBuilder(graph, 17);
  const x = graph.addInput('x', tensorType('float32', ['N', 3, 'H', 'W']));
  const w = b.constant(Tensor.float32([4, 3, 1, 1], new Float32Array(12).fill(1)), 'w');
  graph.addOutput(b.op('Flatten', [b.op('GlobalAveragePool', [b.op('Conv', [x, w])])]));
  const model = new Model(graph, 17);
  await expect(inspectStep(model, options())).rejects.toThrow(UsageError);
  const { image } = await inspectStep(model, options({ image: { height: 7, width: 9 } }));
  expect(image).toEqual([3, 7, 9]);
});

test.each([
  ['Conv', [8, 8, 3, 3], 1, 'Conv, dense'],
  ['Conv', [8, 8, 1, 1], 1, 'Conv, 1×1'],
  ['Conv', [8, 8, 1], 1, 'Conv, 1'],
  ['Conv', [8, 8, 1, 3], 1, 'Conv, dense'],
  ['Conv', [8, 4, 3, 3], 2, 'Conv, grouped'],
  ['Conv', [8, 1, 3, 3], 8, 'Conv, depthwise'],
  ['ConvTranspose', [8, 1, 3, 3], 8, 'ConvTranspose, depthwise'],
  ['ConvTranspose', [8, 1, 3, 3], 4, 'ConvTranspose, grouped'],
  ['MatMul', [8, 8], 1, 'MatMul'],
] as const)('kind of %s %s in %s groups', (opType, kernel, group, kind) => {
  const w = new Value('w', tensorType('float32', [...kernel]));
  const node = new Node({ opType, inputs: [new Value('x'), w], outputs: ['y'], attributes: { group } });
  expect(kindOf(node)).toBe(kind);
});
