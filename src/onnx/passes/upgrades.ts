/**
 * What changed between operator versions from opset 7 on, apart from allowed types: per operator, the opset of the change
 * and the edit that keeps the meaning. Source: onnx/docs/Changelog.md.
 */
import { UnsupportedError } from '../../base/errors.js';
import { numberToFloat16 } from '../../base/half.js';
import type { GraphBuilder } from '../builder.js';
import type { DataType } from '../ir/dtype.js';
import type { Graph } from '../ir/graph.js';
import type { Node } from '../ir/node.js';
import { Tensor } from '../ir/tensor.js';
import type { ValueType } from '../ir/types.js';
import type { Value } from '../ir/value.js';
import { constantOf, numbersOf } from '../ops/axes.js';
import { rebuildNode } from './rebuild.js';
import { flattenSoftmax } from './softmax.js';

export interface UpgradeContext {
  readonly graph: Graph;
  /** The opset that the model is written in. */
  readonly from: number;
  readonly typeOf: (value: Value) => ValueType | undefined;
  /** Emits before the node. */
  readonly builder: GraphBuilder;
}

/** Edits a node or puts others in its place; returns the node that later steps continue with, if any. */
export type Step = (node: Node, c: UpgradeContext) => Node | undefined;

export function unsupported(node: Node, what: string, hint?: string): never {
  throw new UnsupportedError({
    problem: `${node.describe()}: ${what} has no counterpart in the opset asked for`,
    ...(hint !== undefined && { hint }),
  });
}

/** An integer list attribute becomes input `index`. */
function intsToInput(attribute: string, index: number): Step {
  return (node, c) => {
    // As bigint: INT64_MAX, the usual end of a slice, is no number.
    const list = node.attributes.get(attribute);
    if (list?.type === 'ints') {
      node.attributes.delete(attribute);
      node.setInput(index, c.builder.i64(list.value));
    }
    return node;
  };
}

/** Float attributes become scalar inputs of the first input's type. */
function scalarToInput(attribute: string, index: number): Step {
  return (node, c) => {
    if (!node.attributes.has(attribute)) return node;
    const value = node.float(attribute, 0);
    node.attributes.delete(attribute);
    node.setInput(index, c.builder.constant(scalar(elementType(node, c), value)));
    return node;
  };
}

function all(...steps: readonly Step[]): Step {
  return (node, c) => {
    let next: Node | undefined = node;
    for (const step of steps) next = next && step(next, c);
    return next;
  };
}

function elementType(node: Node, c: UpgradeContext): DataType {
  const type = node.inputs[0] && c.typeOf(node.inputs[0]);
  return type?.kind === 'tensor' ? type.dataType : 'float32';
}

function scalar(dataType: DataType, value: number): Tensor {
  if (dataType === 'float64') return Tensor.float64([], [value]);
  if (dataType === 'float16') {
    const half = Uint16Array.of(numberToFloat16(value));
    return Tensor.raw('float16', [], new Uint8Array(half.buffer));
  }
  return Tensor.float32([], [value]);
}

const axesToInput = intsToInput('axes', 1);

/** BatchNormalization 7 with spatial = 0 has parameters per element, which no later version knows. */
const dropSpatial: Step = (node) => {
  if (node.int('spatial', 1) === 0) unsupported(node, 'spatial=0');
  node.attributes.delete('spatial');
  return node;
};

/** More than one output meant training; saved mean and variance are gone. */
const batchNorm14: Step = (node) => {
  const named = node.outputs.filter((o) => o.name !== '').length;
  if (named <= 1) return node.outputs.length > 1 ? rebuildNode(node, { outputs: 1 }) : node;
  for (const o of node.outputs.slice(3))
    if (!o.isDead) unsupported(node, `output '${o.name}' (saved statistics of the batch)`);
  return rebuildNode(node, { outputs: 3, attributes: { training_mode: 1 } });
};

/** Dropout before 12 never drops, whatever its ratio. */
const dropout12: Step = scalarToInput('ratio', 1);

const dropout10: Step = (node) => {
  const mask = node.outputs[1];
  if (mask && !mask.isDead) unsupported(node, 'a mask of the data type');
  return mask ? rebuildNode(node, { outputs: 1 }) : node;
};

/** Nodes that split evenly say so by the number of parts. */
const split18: Step = (node) => {
  if (!node.inputs[1]) node.setAttribute('num_outputs', node.outputs.length);
  return node;
};

/** Upsample 7 → 9: scales become an input. */
const upsample9: Step = (node, c) => {
  const scales = node.floats('scales');
  if (scales) {
    node.attributes.delete('scales');
    node.setInput(1, c.builder.f32(scales));
  }
  return node;
};

/** Resize 10 is asymmetric; nearest takes the lower neighbour, or the upper one where it makes smaller. */
const resize11: Step = (node) => {
  const [x, scales] = node.inputs;
  const tensor = scales && constantOf(scales);
  const list = tensor ? numbersOf(tensor) : [];
  const nearest = node.string('mode', 'nearest') === 'nearest';
  const smaller = list.some((s) => s < 1);
  if (nearest && smaller && list.some((s) => s > 1))
    unsupported(node, 'nearest resizing that enlarges one axis and reduces another');
  return rebuildNode(node, {
    inputs: [x, undefined, scales],
    attributes: {
      coordinate_transformation_mode: 'asymmetric',
      ...(nearest && { nearest_mode: smaller ? 'ceil' : 'floor' }),
    },
  });
};

/** From 13 on an empty list no longer stands for an input that is left out. */
const resize13: Step = (node) => {
  for (const i of [1, 2, 3]) {
    const input = node.inputs[i];
    const tensor = input && constantOf(input);
    if (tensor?.size === 0) node.setInput(i, undefined);
  }
  return node;
};

const renamed =
  (opType: string): Step =>
  (node) =>
    rebuildNode(node, { opType });

const refused =
  (what: string): Step =>
  (node) =>
    unsupported(node, what);

const gridSample20: Step = (node) => {
  const mode = node.string('mode', 'bilinear');
  node.setAttribute('mode', mode === 'bilinear' ? 'linear' : mode === 'bicubic' ? 'cubic' : mode);
  return node;
};

const roiAlign16: Step = (node) => {
  node.setAttribute('coordinate_transformation_mode', 'output_half_pixel');
  return node;
};

const reduce18 = { 18: axesToInput };

export const UPGRADES: Readonly<Record<string, Readonly<Record<number, Step>>>> = {
  BatchNormalization: { 9: dropSpatial, 14: batchNorm14 },
  Clip: { 11: all(scalarToInput('min', 1), scalarToInput('max', 2)) },
  DFT: { 20: refused('axis as an attribute') },
  Dropout: { 10: dropout10, 12: dropout12 },
  GridSample: { 20: gridSample20 },
  GroupNormalization: { 21: refused('a scale per group') },
  Hardmax: { 13: flattenSoftmax },
  LogSoftmax: { 13: flattenSoftmax },
  Pad: { 11: all(intsToInput('pads', 1), scalarToInput('value', 2)) },
  ReduceL1: reduce18,
  ReduceL2: reduce18,
  ReduceLogSum: reduce18,
  ReduceLogSumExp: reduce18,
  ReduceMax: reduce18,
  ReduceMean: reduce18,
  ReduceMin: reduce18,
  ReduceProd: reduce18,
  ReduceSum: { 13: axesToInput },
  ReduceSumSquare: reduce18,
  Resize: { 11: resize11, 13: resize13 },
  RoiAlign: { 16: roiAlign16 },
  Scan: { 9: refused('Scan 8') },
  Scatter: { 11: renamed('ScatterElements') },
  Slice: { 10: all(intsToInput('starts', 1), intsToInput('ends', 2), intsToInput('axes', 3)) },
  Softmax: { 13: flattenSoftmax },
  Split: { 13: intsToInput('split', 1), 18: split18 },
  Squeeze: { 13: axesToInput },
  TopK: { 10: topK10 },
  Unsqueeze: { 13: axesToInput },
  Upsample: { 9: upsample9, 10: renamed('Resize') },
};

function topK10(node: Node, c: UpgradeContext): Node {
  if (node.attributes.has('k')) {
    const k = node.int('k', 0);
    node.attributes.delete('k');
    node.setInput(1, c.builder.i64([k]));
  }
  return node;
}
