/**
 * What other tools do to a training form, done here by hand: onnx-graphsurgeon and onnx-tool drop the model's metadata,
 * simplifiers rename nodes and fold what is constant, converters write other operators.
 */
import { describe, expect, test } from 'vitest';
import { decodeModel, encodeModel, type Model, Node, Tensor, Value } from '../../src/onnx/index.js';
import {
  constantOf,
  expand,
  FORM_KEY,
  frozenHashes,
  fuse,
  MarkersLostError,
  readForm,
  trainables,
} from '../../src/reparam/index.js';
import { Net, smallNet } from './nets.js';

const bytes = (model: Model): Buffer => Buffer.from(encodeModel(model));

function trainingForm(): Model {
  return decodeModel(encodeModel(expand(smallNet(), { init: 'xavier', seed: 5 }).model));
}

function nodeOf(value: Value): Node {
  if (!value.producer) throw new Error(`'${value.name}' has no producer`);
  return value.producer;
}

const layersOf = (model: Model) =>
  readForm(model)?.layers.map((l) => ({
    layer: l.layer,
    weight: l.weight,
    groups: l.groups,
    m: l.mapKernel,
  }));

test('without metadata: recovered by names and structure, fused to the same file', () => {
  const whole = trainingForm();
  const stripped = trainingForm();
  stripped.metadata.clear();
  const form = readForm(stripped);
  expect(form?.source).toBe('recovered');
  expect(layersOf(stripped)).toEqual(layersOf(whole));
  expect(frozenHashes(stripped)).toEqual(frozenHashes(whole));
  expect(trainables(stripped).frozen.map((v) => v.name)).toEqual(trainables(whole).frozen.map((v) => v.name));
  const fused = fuse(stripped).model;
  fused.metadata.set('origin', 'test');
  expect(bytes(fused).equals(bytes(fuse(whole).model))).toBe(true);
});

test('without metadata and with every added name changed: recovered by structure', () => {
  const whole = trainingForm();
  const stripped = trainingForm();
  stripped.metadata.delete(FORM_KEY);
  let n = 0;
  for (const v of stripped.graph.values()) if (v.name.includes('/refconv/')) v.name = `t${n++}`;
  for (const node of stripped.graph.nodes) node.name = '';
  expect(layersOf(stripped)).toEqual(layersOf(whole));
  const kernels = (m: Model) =>
    ['stem.weight', 'dw.weight', 'last.weight'].map((name) => {
      const value = fuse(m).model.graph.find(name);
      return value && Buffer.from(constantOf(value)?.bytes() ?? []).toString('hex');
    });
  expect(kernels(stripped)).toEqual(kernels(whole));
});

test('with the view of the base folded into a constant: both copies are frozen', () => {
  const model = trainingForm();
  const layer = readForm(model)?.layers[0];
  const tensor = layer && constantOf(layer.base);
  if (!layer || !tensor) throw new Error('no layer');
  const reshape = layer.base.consumers.find((n) => n.opType === 'Reshape');
  if (!reshape) throw new Error('no view');
  const copy = model.graph.addInitializer('folded_view', tensor.with({ dims: [1, 12, 3, 3] }));
  model.graph.replaceUses(reshape.output(0), copy);
  model.graph.removeNode(reshape);
  model.metadata.delete(FORM_KEY);
  const recovered = readForm(model)?.layers.find((l) => l.base.name === layer.base.name);
  expect(recovered?.frozen.map((v) => v.name)).toEqual(['stem/refconv/base', 'folded_view']);
  expect(trainables(model).trainable.map((v) => v.name)).not.toContain('folded_view');
  const fused = fuse(model).model;
  expect(fused.graph.find('folded_view')).toBeUndefined();
});

test('folded completely, metadata left behind: a plain model, no training form to train', () => {
  const fused = fuse(trainingForm()).model;
  const json = trainingForm().metadata.get(FORM_KEY) ?? '';
  fused.metadata.set(FORM_KEY, json);
  const form = readForm(fused);
  expect(form?.layers).toEqual([]);
  expect(form?.folded.map((r) => r.layer)).toEqual(['stem', 'dw', 'last']);
  const again = fuse(fused);
  expect(again.modified).toBe(true);
  expect(again.model.metadata.has(FORM_KEY)).toBe(false);
});

test('folded completely by an optimizer that renames kernels and folds normalizations too', () => {
  const fused = fuse(trainingForm(), { foldBatchNorm: true }).model;
  fused.metadata.set(FORM_KEY, trainingForm().metadata.get(FORM_KEY) ?? '');
  for (const [i, v] of [...fused.graph.initializers].entries()) v.name = `w${i}`;
  const form = readForm(fused);
  expect(form?.layers).toEqual([]);
  expect(form?.folded).toHaveLength(3);
  expect(fuse(fused).model.metadata.has(FORM_KEY)).toBe(false);
});

describe('refused, never taken for a plain model', () => {
  /** Replaces W_b + Δ by something that no method makes. */
  function rewriteSum(model: Model): void {
    for (const layer of readForm(model)?.layers ?? []) {
      const add = nodeOf(layer.transformed);
      const scaled = model.graph.addNode(
        new Node({ opType: 'Tanh', inputs: [add.input(1)], outputs: [new Value(`${layer.layer}_tanh`)] }),
        { before: add },
      );
      add.setInput(1, scaled.output(0));
    }
  }

  test('names are there, the structure is not', () => {
    const model = trainingForm();
    rewriteSum(model);
    for (const strip of [false, true]) {
      if (strip) model.metadata.delete(FORM_KEY);
      expect(() => readForm(model)).toThrow(MarkersLostError);
      expect(() => fuse(model)).toThrow(MarkersLostError);
      expect(() => trainables(model)).toThrow(MarkersLostError);
      expect(() => expand(model)).toThrow(/stem/);
    }
  });

  test('neither names nor structure, but a weight that a convolution computes', () => {
    const model = trainingForm();
    rewriteSum(model);
    model.metadata.delete(FORM_KEY);
    for (const v of model.graph.values()) v.name = v.name.replace('/refconv/', '_');
    expect(() => readForm(model)).toThrow(MarkersLostError);
    expect(() => readForm(model)).toThrow("weight of Conv 'stem/Conv' is computed by Conv");
  });

  test('an orphaned base', () => {
    const model = smallNet();
    model.graph.addInitializer('stem/refconv/base', Tensor.float32([1], [1]));
    expect(() => readForm(model)).toThrow(MarkersLostError);
    expect(() => readForm(model)).toThrow("'stem/refconv/base' belongs to a training form");
  });
});

test('a sum of two constants is no RefConv', () => {
  const net = new Net();
  const w = net.op('Add', [net.weight('a', [4, 3, 3, 3]), net.weight('b', [4, 3, 3, 3])]);
  const model = net.output(net.conv(net.input([1, 3, 5, 5]), 'c', [4, 3, 3, 3], { weight: w }));
  expect(readForm(model)).toBeUndefined();
  expect(fuse(model).weights).toHaveLength(1);
});
