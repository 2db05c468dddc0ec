/**
 * Parallel branches between one value and one sum become one Conv (the math is in algebra/branches.ts), in float64, rounded
 * once to the kernel's type. A branch is a Conv, a Conv and its BatchNormalization in inference form, a
 * BatchNormalization, or the value itself: the blocks of RepVGG, MobileOne and ACNet, and a plain shortcut around a single
 * convolution. The Conv with the largest kernel stays, with its name; its output is the sum.
 */
import { type Model, type Node, sizeOf, type Value } from '../onnx/index.js';
import { batchNormAttributes, convAttributes } from '../onnx/ops/index.js';
import type { Affine } from './algebra/batchnorm.js';
import { type BranchKernel, mergeBranches, mergeWindows } from './algebra/branches.js';
import { constantOf, isOverridable } from './constants.js';
import { absorb, addConstant, dropParameter, replaceConstant } from './edits.js';
import { affineOf } from './fold-batchnorm.js';
import type { Unrounded } from './fold-weights.js';
import { type FloatType, fromFloat64, isFloatType, toFloat64 } from './numbers.js';

export interface CollapsedBranches {
  /** The Conv that stays. */
  readonly into: string;
  /** Nodes that are gone. */
  readonly removed: readonly string[];
  readonly branches: number;
}

export interface BranchCollapsing {
  readonly collapsed: readonly CollapsedBranches[];
  /** Sums of parallel branches that stay, and why. */
  readonly kept: readonly { readonly sum: string; readonly reason: string }[];
}

export interface CollapseOptions {
  /** Also where a caller may override a parameter through a graph input (which then goes away). */
  readonly overridable: boolean;
  /** Kernels before their rounding, where they are known; what is made here is added. */
  readonly unrounded: Unrounded;
}

/** Collapses in place. @throws ModelError naming node and channel where variance + epsilon is not positive */
export function collapseBranches(model: Model, options: CollapseOptions): BranchCollapsing {
  const collapsed: CollapsedBranches[] = [];
  const kept: BranchCollapsing['kept'][number][] = [];
  // From the end, so that the outer sum of several is tried before those within it.
  for (const sum of [...model.graph.nodes].reverse()) {
    if (!isSum(sum) || sum.graph !== model.graph) continue;
    const region = matchRegion(model, sum, options);
    if (region === undefined) continue;
    if (typeof region === 'string') kept.push({ sum: nameOf(sum), reason: region });
    else collapsed.unshift(collapse(model, region, options.unrounded));
  }
  return { collapsed, kept };
}

interface Branch {
  readonly source: Value;
  /** From the source on; empty for the source itself. */
  readonly nodes: readonly Node[];
  readonly conv: Node | undefined;
  readonly norm: Node | undefined;
}

interface Region {
  /** Adders, the last one first. */
  readonly sums: readonly Node[];
  readonly branches: readonly Branch[];
  /** The branch whose Conv stays. */
  readonly home: Node;
  readonly strides: readonly number[];
  readonly type: FloatType;
  readonly dims: readonly number[];
  readonly kernel: Float64Array;
  readonly bias: Float64Array;
  readonly attributes: ReadonlyMap<string, number | readonly number[]>;
}

/** The region that ends in this sum, undefined for a sum of something else, or why parallel branches stay. */
function matchRegion(model: Model, sum: Node, options: CollapseOptions): Region | string | undefined {
  const sums: Node[] = [];
  const terms: Value[] = [];
  flatten(sum, sums, terms);
  const branches = terms.map(branchOf);
  const [{ source }] = branches;
  const convs = branches.flatMap((b) => (b.conv ? [b.conv] : []));
  if (convs.length === 0 || branches.some((b) => b.source !== source)) return undefined;
  const parameters = branches.flatMap((b) => b.nodes.flatMap((n) => n.inputs.slice(1)));
  if (!options.overridable)
    for (const v of parameters)
      if (v && isOverridable(v, model)) return `'${v.name}' is an input of the graph that a caller may set`;
  return merge(model, sums, branches, convs, options.unrounded);
}

/** Terms of a sum; a sum whose result only another sum reads is part of that one. */
function flatten(sum: Node, sums: Node[], terms: Value[]): void {
  sums.push(sum);
  for (const term of sum.inputs)
    if (term?.producer && isSum(term.producer) && isOnlyRead(term)) flatten(term.producer, sums, terms);
    else if (term) terms.push(term);
}

function isSum(node: Node): boolean {
  return node.domain === '' && (node.opType === 'Add' || node.opType === 'Sum');
}

function isOnlyRead(value: Value): boolean {
  return !value.isOutput && value.uses.length === 1;
}

function branchOf(term: Value): Branch {
  const last = isOnlyRead(term) ? term.producer : undefined;
  if (last?.domain !== '') return { source: term, nodes: [], conv: undefined, norm: undefined };
  if (last.opType === 'Conv') return { source: last.input(0), nodes: [last], conv: last, norm: undefined };
  if (last.opType !== 'BatchNormalization')
    return { source: term, nodes: [], conv: undefined, norm: undefined };
  const before = last.input(0);
  const conv = isOnlyRead(before) ? before.producer : undefined;
  if (conv?.opType === 'Conv' && conv.domain === '')
    return { source: conv.input(0), nodes: [conv, last], conv, norm: last };
  return { source: before, nodes: [last], conv: undefined, norm: last };
}

function merge(
  model: Model,
  sums: readonly Node[],
  branches: readonly Branch[],
  convs: readonly Node[],
  unrounded: Unrounded,
): Region | string {
  const weights = convs.map((c) => constantOf(c.input(1)));
  const [first] = weights;
  const type = first?.dataType;
  if (!first || !type || !isFloatType(type) || weights.some((w) => w?.dataType !== type))
    return 'their weights are not constants of one floating-point type';
  const outputs = first.dims[0];
  const inputs = first.dims[1] * convs[0].int('group', 1);
  const strides = convAttributes(convs[0], first.dims.slice(2)).strides;
  const kernels: BranchKernel[] = [];
  for (const branch of branches) {
    const read = kernelOf(model, branch, { outputs, inputs, strides }, unrounded);
    if (typeof read === 'string') return read;
    kernels.push(read);
  }
  const window = mergeWindows(kernels);
  if (typeof window === 'string') return window;
  const dims = [outputs, inputs / window.groups, ...window.size];
  const before = weights.reduce((n, w) => n + (w?.size ?? 0), 0);
  if (sizeOf(dims) > before)
    return `as one convolution they would grow from ${before} to ${sizeOf(dims)} weights`;
  const sizes = weights.map((w) => w?.size ?? 0);
  return {
    sums,
    branches,
    home: convs[sizes.indexOf(Math.max(...sizes))],
    strides,
    type,
    dims,
    ...mergeBranches(kernels, window, inputs),
    attributes: new Map<string, number | readonly number[]>([
      ['group', window.groups],
      ['kernel_shape', window.size],
      ['pads', [...window.before, ...window.after]],
      ['dilations', window.dilation],
      ['strides', strides],
    ]),
  };
}

interface Shape {
  readonly outputs: number;
  readonly inputs: number;
  readonly strides: readonly number[];
}

function kernelOf(
  model: Model,
  { conv, norm }: Branch,
  { outputs, inputs, strides }: Shape,
  unrounded: Unrounded,
): BranchKernel | string {
  const affine = norm ? normAffine(model, norm) : unchanged(outputs);
  if (typeof affine === 'string') return affine;
  if (affine.scale.length !== outputs) return 'their channels differ';
  if (!conv) {
    if (inputs !== outputs || strides.some((s) => s !== 1))
      return 'one branch passes its input, which the convolutions make of another size';
    const one = strides.map(() => 1);
    const zero = strides.map(() => 0);
    const window = { size: one, dilation: one, before: zero, after: zero };
    return { kernel: undefined, scale: affine.scale, bias: affine.shift, window, groups: 1 };
  }
  const value = conv.input(1);
  const weight = constantOf(value);
  if (!weight) return `the weight of ${conv.describe()} is not a constant`;
  const [out, perGroup, ...kernel] = weight.dims;
  const a = convAttributes(conv, kernel);
  if (a.autoPad.startsWith('SAME')) return `${conv.describe()} has automatic pads`;
  if (out !== outputs || perGroup * a.groups !== inputs || a.strides.join() !== strides.join())
    return 'their channels or strides differ';
  const bias = conv.inputs[2];
  const terms = bias ? (unrounded.get(bias) ?? floats(bias)) : new Float64Array(outputs);
  if (terms?.length !== outputs) return `the bias of ${conv.describe()} is not a constant`;
  const per = weight.size / outputs;
  const values = unrounded.get(value) ?? toFloat64(weight);
  return {
    kernel: values.map((w, i) => w * affine.scale[Math.floor(i / per)]),
    scale: affine.scale,
    bias: affine.shift.map((c, o) => terms[o] * affine.scale[o] + c),
    window: {
      size: kernel,
      dilation: a.dilations,
      before: a.pads.slice(0, kernel.length),
      after: a.pads.slice(kernel.length),
    },
    groups: a.groups,
  };
}

function floats(value: Value): Float64Array | undefined {
  const tensor = constantOf(value);
  return tensor && isFloatType(tensor.dataType) ? toFloat64(tensor) : undefined;
}

function unchanged(channels: number): Affine {
  return { scale: new Float64Array(channels).fill(1), shift: new Float64Array(channels) };
}

function normAffine(model: Model, norm: Node): Affine | string {
  const a = batchNormAttributes(norm, model.opset);
  if (a.training || !a.spatial || norm.outputs.slice(1).some((o) => !o.isDead))
    return `${norm.describe()} is not in inference form`;
  return affineOf(model, norm, a.epsilon);
}

function collapse(model: Model, region: Region, unrounded: Unrounded): CollapsedBranches {
  const { graph } = model;
  const { sums, branches, home, type, dims, kernel, bias } = region;
  const gone = [...sums, ...branches.flatMap((b) => b.nodes)].filter((n) => n !== home);
  const parameters = gone.flatMap((n) => n.inputs.filter((v) => v && constantOf(v)));
  const weight = replaceConstant(model, home, 1, fromFloat64(type, dims, kernel));
  unrounded.set(weight, kernel);
  const terms = fromFloat64(type, [bias.length], bias);
  const stem = weight.name.replace(/\.weight$/, '');
  const term = home.inputs[2]
    ? replaceConstant(model, home, 2, terms)
    : addConstant(model, home, 2, terms, `${stem}.bias`);
  unrounded.set(term, bias);
  for (const [name, value] of region.attributes) home.setAttribute(name, value);
  home.attributes.delete('auto_pad');

  const [last] = sums;
  const output = last.output(0);
  const own = home.output(0);
  graph.replaceUses(output, own);
  const names = gone.map(nameOf);
  absorb(home, last);
  // Readers go before what they read.
  for (const node of [...gone].sort((a, b) => graph.nodes.indexOf(b) - graph.nodes.indexOf(a)))
    graph.removeNode(node);
  if (output.docString !== '') own.docString = output.docString;
  for (const [key, text] of output.metadata) own.metadata.set(key, text);
  own.name = output.name;
  own.type = output.type ?? own.type;
  own.wire = output.wire ?? own.wire;
  for (const p of parameters) if (p) dropParameter(graph, p);
  return { into: nameOf(home), removed: names, branches: branches.length };
}

function nameOf(node: Node): string {
  return node.name || node.output(0).name;
}
