import { CheckFailedError, ModelError, UnsupportedError, UsageError } from '../base/errors.js';
import { didYouMean } from '../base/nearest.js';
import { cloneModel, type Graph, type Model, type Node, type Value } from '../onnx/index.js';
import { allGraphs, constantOf, constantRegion } from './constants.js';
import { whyNoTrainedWeight } from './fold-weights.js';
import { readForm, type TrainingForm, where, writeForm } from './form.js';
import type { LayerRecord, MethodName } from './form-schema.js';
import { globMatcher } from './glob.js';
import { METHODS } from './methods/index.js';
import type { Candidate, MethodOptions } from './methods/method.js';
import { isFloatType, toFloat64 } from './numbers.js';

export interface ExpandOptions {
  /** Default: refconv. */
  readonly method?: MethodName;
  /** Globs on node or weight names; when given, only convolutions that match one are replaced. */
  readonly include?: readonly string[];
  /** Globs on node or weight names of convolutions to leave alone. */
  readonly exclude?: readonly string[];
  /** m, odd: one number, or one per spatial axis. Default 3. */
  readonly mapKernel?: number | readonly number[];
  /** zero (default): training starts exactly at the checkpoint. xavier: as published. */
  readonly init?: 'xavier' | 'zero';
  readonly seed?: number;
}

/** A convolution that stays as it is, and why. */
export interface Refusal {
  /** Node name, or the weight's. */
  readonly node: string;
  readonly reason: string;
}

export interface ExpandResult {
  /** The training form, a new model; the one given is unchanged. */
  readonly model: Model;
  readonly form: TrainingForm;
  /** Convolutions that were chosen by kernel and name, but cannot be replaced. They train as plain ones. */
  readonly refused: readonly Refusal[];
}

/**
 * The training form of a model: each chosen convolution (kernel larger than 1×1) gets its weight from the method's
 * graph; nodes, names, attributes, inputs and outputs of the model stay.
 * @throws CheckFailedError when the model has no convolution to replace
 * @throws ModelError when a chosen kernel is all zero or not finite: W_t and its gradient would be zero for ever
 * @throws UsageError on an impossible option or a pattern that matches nothing
 */
export function expand(model: Model, options: ExpandOptions = {}): ExpandResult {
  const settings = checkOptions(options);
  if (readForm(model))
    throw new UnsupportedError({
      problem: `${where(model)}the model is a training form already`,
      hint: 'fuse it first; the fused model can be expanded again',
    });
  const copy = cloneModel(model);
  const refused: Refusal[] = [];
  const method = METHODS[settings.method];
  const candidates = chooseCandidates(copy, options, refused).filter((c) => {
    const reason = method.refuse(c, settings);
    if (reason !== undefined) for (const conv of c.convs) refused.push({ node: nameOf(conv), reason });
    return reason === undefined;
  });
  if (candidates.length === 0) throw nothingToReplace(model, refused);
  for (const c of candidates) checkBase(copy, c);

  // Before IR version 4 every constant had to be an input; those that are added here are none.
  const irVersion = copy.irVersion < 4 ? copy.irVersion : undefined;
  if (irVersion !== undefined) copy.irVersion = 4;
  const inputOrder = new Map(copy.graph.inputs.map((v, i) => [v, i]));
  const layers: LayerRecord[] = [];
  for (const c of candidates) {
    const inputIndex = inputOrder.get(c.weight);
    if (inputIndex !== undefined) copy.graph.removeInput(c.weight);
    layers.push({ ...method.apply(c, settings), ...(inputIndex !== undefined && { inputIndex }) });
  }
  writeForm(copy, { version: 1, layers, ...(irVersion !== undefined && { irVersion }) });
  const form = readForm(copy);
  if (!form) throw new Error('the training form that was just written cannot be read');
  return { model: copy, form, refused };
}

function checkOptions(options: ExpandOptions): MethodOptions & { readonly method: MethodName } {
  const mapKernel = options.mapKernel ?? 3;
  for (const m of typeof mapKernel === 'number' ? [mapKernel] : mapKernel)
    if (!Number.isInteger(m) || m < 1 || m % 2 === 0)
      throw new UsageError({
        problem: `map kernel ${typeof mapKernel === 'number' ? mapKernel : mapKernel.join('×')}`,
        expected: 'an odd number, 1 to 2k - 1 for a k×k kernel',
        found: `${m}`,
        hint: 'the published method uses 3',
      });
  return {
    method: options.method ?? 'refconv',
    mapKernel,
    init: options.init ?? 'zero',
    seed: options.seed ?? 0,
  };
}

function chooseCandidates(model: Model, options: ExpandOptions, refused: Refusal[]): Candidate[] {
  const selected = selector(model, options);
  const byWeight = new Map<Value, [Node, ...Node[]]>();
  for (const graph of allGraphs(model.graph))
    for (const conv of graph.nodes) {
      if (conv.opType !== 'Conv' || conv.domain !== '' || !isSpatial(conv) || !selected(conv)) continue;
      const reason = graph === model.graph ? whyNot(conv) : 'it is inside a sub-graph (If, Loop or Scan)';
      if (reason !== undefined) {
        refused.push({ node: nameOf(conv), reason });
        continue;
      }
      const weight = conv.input(1);
      const list = byWeight.get(weight);
      if (list) list.push(conv);
      else byWeight.set(weight, [conv]);
    }
  const candidates: Candidate[] = [];
  const taken = new Set<string>();
  for (const [weight, convs] of byWeight) {
    const shared = whyNotShared(weight, convs);
    if (shared !== undefined) {
      for (const conv of convs) refused.push({ node: nameOf(conv), reason: shared });
      continue;
    }
    const tensor = constantOf(weight);
    if (!tensor || !isFloatType(tensor.dataType)) continue;
    candidates.push({
      graph: model.graph,
      opset: model.opset,
      layer: layerName(weight, convs[0], taken),
      weight,
      tensor,
      dataType: tensor.dataType,
      convs,
      groups: convs[0].int('group', 1),
    });
  }
  return candidates;
}

/** Whether a convolution is chosen by name. @throws UsageError for a pattern that no convolution matches */
function selector(model: Model, options: ExpandOptions): (conv: Node) => boolean {
  const convs = [...allGraphs(model.graph)].flatMap((g) => g.nodes.filter((n) => n.opType === 'Conv'));
  const names = (n: Node): string[] => [n.name, n.inputs[1]?.name ?? ''].filter((s) => s !== '');
  for (const pattern of [...(options.include ?? []), ...(options.exclude ?? [])]) {
    const matches = globMatcher([pattern]);
    if (convs.some((n) => names(n).some(matches))) continue;
    throw new UsageError({
      problem: `no convolution's node or weight has a name like '${pattern}'`,
      hint: didYouMean(pattern, convs.flatMap(names)) ?? 'reparam inspect lists the names',
    });
  }
  const included = options.include?.length ? globMatcher(options.include) : () => true;
  const excluded = globMatcher(options.exclude ?? []);
  return (conv) => names(conv).some(included) && !names(conv).some(excluded);
}

/** A kernel larger than one element, as far as the file tells. */
function isSpatial(conv: Node): boolean {
  const weight = conv.inputs[1];
  const dims = weight && (constantOf(weight)?.dims ?? weight.shape);
  const kernel = dims?.slice(2) ?? conv.ints('kernel_shape');
  return kernel === undefined || kernel.some((k) => k > 1);
}

function whyNot(conv: Node): string | undefined {
  const weight = conv.inputs[1];
  const tensor = weight && constantOf(weight);
  if (!weight || !tensor) {
    const producer = weight?.producer;
    if (!producer) return 'its weight is an input of the graph, not a constant';
    const region = constantRegion(weight);
    if (!region) return `its weight is computed from data by ${producer.describe()}`;
    return (
      whyNoTrainedWeight(region) ??
      `its weight is computed by ${producer.describe()}; fuse the model first to make it a constant`
    );
  }
  if (!isFloatType(tensor.dataType)) return `its weight is ${tensor.dataType}, not floating point`;
  return undefined;
}

/** A kernel that something else reads as well must not change under it. */
function whyNotShared(weight: Value, convs: readonly Node[]): string | undefined {
  if (weight.isOutput) return `its weight '${weight.name}' is an output of the graph`;
  for (const { node, index } of weight.uses)
    if (index !== 1 || !convs.includes(node))
      return `its weight '${weight.name}' is also read by ${node.describe()}, which is not replaced`;
  const groups = new Set(convs.map((n) => n.int('group', 1)));
  if (groups.size > 1)
    return `its weight '${weight.name}' is shared by convolutions of ${[...groups].join(' and ')} groups`;
  return undefined;
}

/**
 * The weight's name without `.weight`, as frameworks name modules; where that is only an exporter's number, the node's
 * name.
 */
function layerName(weight: Value, conv: Node, taken: Set<string>): string {
  const stem = weight.name.replace(/\.weight$/, '');
  const numbered = /^(onnx::\w+_)?\d+$/.test(stem);
  const wanted = numbered && conv.name !== '' ? conv.name : stem;
  let name = wanted;
  for (let i = 1; taken.has(name); i++) name = `${wanted}_${i}`;
  taken.add(name);
  return name;
}

function checkBase(model: Model, c: Candidate): void {
  const data = toFloat64(c.tensor);
  const finite = data.every(Number.isFinite);
  if (finite && data.some((v) => v !== 0)) return;
  throw new ModelError({
    problem: `${where(model)}the weight '${c.weight.name}' of ${c.convs[0].describe()} cannot be a base`,
    expected: 'trained, finite values',
    found: finite
      ? 'all zeros: the transformed kernel and its gradient would be zero for ever'
      : 'NaN or infinite values',
    hint: `was the checkpoint loaded completely? To leave this layer alone: --exclude '${nameOf(c.convs[0])}'`,
  });
}

function nothingToReplace(model: Model, refused: readonly Refusal[]): CheckFailedError {
  const list = refused.slice(0, 5).map((r) => `${r.node}: ${r.reason}`);
  if (refused.length > list.length) list.push(`and ${refused.length - list.length} more`);
  return new CheckFailedError({
    problem: `${where(model)}no convolution to replace`,
    expected: 'a convolution with a constant kernel larger than 1×1',
    found: list.length
      ? `only ones that cannot be replaced:\n    ${list.join('\n    ')}`
      : describeConvs(model.graph),
  });
}

function describeConvs(graph: Graph): string {
  const convs = graph.nodes.filter((n) => n.opType === 'Conv').length;
  return convs === 0
    ? 'a model without convolutions'
    : `${convs} convolutions, none of them larger than 1×1 and chosen`;
}

function nameOf(conv: Node): string {
  return conv.name || conv.inputs[1]?.name || conv.output(0).name;
}
