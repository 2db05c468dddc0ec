/**
 * BatchNormalization for networks that lost it: a checkpoint exported for inference has it folded into its convolutions
 * and does not train well any more. After each such convolution one is inserted that changes nothing: with the mean μ
 * and population variance σ² of the convolution's own output (bias included) over calibration data,
 *
 *     y = γ (x − μ) / √(σ² + ε) + β          γ = √(σ² + ε)          β = μ          ⇒          y = x,
 *
 * whatever μ and σ² are, so also for channels that never vary (σ² = 0). γ is taken from σ² and ε as they are stored,
 * after their rounding, so that the factor is 1 up to one rounding of γ. In training the batch statistics take the place
 * of μ and σ², and the network is normalized as it was when it was first trained. Fusing folds them back.
 */
import { UnsupportedError } from '../base/errors.js';
import { cloneModel, type Graph, type Model, Node, type Tensor, Value } from '../onnx/index.js';
import type { Engine } from '../runtime/engine.js';
import { toInferenceMode } from '../runtime/specialize/inference-mode.js';
import { constantOf, constantRegion } from './constants.js';
import type { Refusal } from './expand.js';
import { where } from './form.js';
import { fromFloat64, isFloatType, toFloat64 } from './numbers.js';
import { RESTORED_MARK, writeRestored } from './restored.js';

export interface Calibration {
  readonly engine: Engine;
  /** Network inputs, by name: as many batches as should be looked at. */
  readonly batches: AsyncIterable<ReadonlyMap<string, Tensor>> | Iterable<ReadonlyMap<string, Tensor>>;
  /** ε, default 1e-5. */
  readonly epsilon?: number;
  /** The attribute of the inserted nodes: new running = momentum · old + (1 - momentum) · batch. Default 0.9. */
  readonly momentum?: number;
}

export interface InsertedBatchNorm {
  /** The convolution it follows. */
  readonly conv: string;
  readonly batchNorm: string;
  readonly channels: number;
  /** Channels whose variance is less than ε: (nearly) constant on the calibration data. */
  readonly quiet: number;
}

export interface RestoreResult {
  /** The model with its BatchNormalizations, a new one; the one given is unchanged. */
  readonly model: Model;
  readonly inserted: readonly InsertedBatchNorm[];
  /** Convolutions that get none, and why. */
  readonly skipped: readonly Refusal[];
  /** Calibration samples that were used. */
  readonly samples: number;
}

/**
 * Inserts a calibrated BatchNormalization after each convolution that had one folded into it.
 * @throws UnsupportedError before opset 7, or when there are no calibration data
 */
export async function restoreBatchNorm(model: Model, calibrate: Calibration): Promise<RestoreResult> {
  const copy = cloneModel(model);
  const skipped: Refusal[] = [];
  const convs = chooseConvs(copy, skipped);
  if (convs.length === 0) return { model: copy, inserted: [], skipped, samples: 0 };
  if (copy.opset < 7)
    throw new UnsupportedError({
      problem: `${where(model)}BatchNormalization cannot be restored in operator set ${copy.opset}`,
      expected: '7 or later',
    });
  const { moments, samples } = await measure(model, convs, calibrate);
  const inserted: InsertedBatchNorm[] = [];
  for (const conv of convs) {
    const m = moments.get(conv.output(0).name);
    if (!m) throw new Error(`${conv.describe()} was not measured`);
    if (m.count <= samples)
      skipped.push({ node: nameOf(conv), reason: 'its output is one pixel per channel' });
    else inserted.push(insert(copy, conv, m, calibrate));
  }
  if (inserted.length > 0) {
    const irVersion = copy.irVersion < 4 ? copy.irVersion : undefined;
    if (irVersion !== undefined) copy.irVersion = 4;
    writeRestored(
      copy,
      inserted.map((i) => i.batchNorm),
      irVersion,
    );
  }
  return { model: copy, inserted, skipped, samples };
}

/** Names of the scales and biases that {@link restoreBatchNorm} would give a model, before any data are seen. */
export function restoredParameters(model: Model): string[] {
  return chooseConvs(model, []).flatMap((conv) =>
    ['scale', 'bias'].map((name) => `${nameOf(conv)}${RESTORED_MARK}${name}`),
  );
}

function chooseConvs(model: Model, skipped: Refusal[]): Node[] {
  const tail = reachOutputs(model.graph);
  const chosen: Node[] = [];
  for (const conv of model.graph.nodes) {
    if (conv.opType !== 'Conv' || conv.domain !== '' || constantRegion(conv.output(0))) continue;
    const reason = whyNot(conv, tail);
    if (reason === undefined) chosen.push(conv);
    else skipped.push({ node: nameOf(conv), reason });
  }
  return chosen;
}

function whyNot(conv: Node, tail: ReadonlySet<Value>): string | undefined {
  const output = conv.output(0);
  const weight = conv.input(1);
  if (output.isOutput || tail.has(output)) return 'it ends the network: no other weights follow it';
  if (output.consumers.some((n) => n.opType === 'BatchNormalization'))
    return 'a BatchNormalization follows it already';
  const bias = conv.inputs[2];
  if (!bias) return 'it has no bias, so none was folded into it';
  if (!constantOf(bias)) return 'its bias is computed in the graph';
  const shared = [weight, bias].find((v) => v.uses.length > 1);
  if (shared) return `'${shared.name}' is shared, so that one could not be folded back`;
  if (!constantOf(weight) && !constantRegion(weight)) return 'its weight is computed from data';
  if (!isFloatType(constantOf(bias)?.dataType ?? 'int64')) return 'its bias is not floating point';
  return undefined;
}

const WEIGHTED = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul']);

/** Values from which an output is reached without passing another weighted operator. */
function reachOutputs(graph: Graph): Set<Value> {
  const found = new Set<Value>();
  const stack = [...graph.outputs];
  for (let v = stack.pop(); v; v = stack.pop()) {
    if (found.has(v)) continue;
    found.add(v);
    const node = v.producer;
    // A shape is no data: a size read off a feature map does not make its convolution a head.
    if (!node || node.opType === 'Shape' || node.opType === 'Size') continue;
    if (node.domain === '' && WEIGHTED.has(node.opType)) continue;
    for (const input of node.inputs) if (input) stack.push(input);
  }
  return found;
}

/** Mean and summed squared deviation per channel, over `count` numbers each. */
interface Moments {
  count: number;
  readonly mean: Float64Array;
  readonly m2: Float64Array;
}

/** Values fetched in one run, at most: 2^26 numbers, half a GiB once they are float64. */
const FETCH_LIMIT = 2 ** 26;

/** Runs the model in inference mode (dropout would drop, and differently each time), with the convolutions' outputs fetched, and accumulates in float64. */
async function measure(
  model: Model,
  convs: readonly Node[],
  calibrate: Calibration,
): Promise<{ readonly moments: Map<string, Moments>; readonly samples: number }> {
  const names = convs.map((c) => c.output(0).name);
  const probe = cloneModel(model);
  const values = new Map([...probe.graph.values()].map((v) => [v.name, v]));
  for (const name of names) {
    const value = values.get(name);
    if (value && !value.isOutput) probe.graph.addOutput(value);
  }
  toInferenceMode(probe);
  const moments = new Map<string, Moments>();
  const sizes = new Map<string, number>();
  let samples = 0;
  const session = await calibrate.engine.session(probe, { optimization: 'none' });
  try {
    for await (const feeds of calibrate.batches) {
      const [first] = feeds.values();
      samples += first?.dims[0] ?? 1;
      for (const group of groups(names, sizes)) {
        for (const [name, tensor] of await session.run(feeds, group)) {
          sizes.set(name, tensor.size);
          moments.set(name, accumulate(moments.get(name), tensor));
        }
      }
    }
  } finally {
    await session.release();
  }
  if (samples === 0)
    throw new UnsupportedError({
      problem: `${where(model)}BatchNormalization cannot be restored without calibration data`,
      hint: 'give at least one batch of images',
    });
  return { moments, samples };
}

/** Names to fetch together; a few at a time until their sizes are known. */
function* groups(names: readonly string[], sizes: ReadonlyMap<string, number>): Generator<string[]> {
  let group: string[] = [];
  let total = 0;
  for (const name of names) {
    const size = sizes.get(name) ?? FETCH_LIMIT / 8;
    if (group.length > 0 && total + size > FETCH_LIMIT) {
      yield group;
      group = [];
      total = 0;
    }
    group.push(name);
    total += size;
  }
  if (group.length > 0) yield group;
}

/** Chan, Golub & LeVeque (1979): moments of a batch in two passes, then merged with what was there. [N,C,…]. */
function accumulate(before: Moments | undefined, tensor: Tensor): Moments {
  const data = toFloat64(tensor);
  const [n, channels] = tensor.dims;
  const per = tensor.size / (n * channels);
  const count = n * per;
  const mean = new Float64Array(channels);
  const m2 = new Float64Array(channels);
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    for (let i = 0; i < n; i++) {
      const at = (i * channels + c) * per;
      for (let j = at; j < at + per; j++) sum += data[j];
    }
    mean[c] = sum / count;
    for (let i = 0; i < n; i++) {
      const at = (i * channels + c) * per;
      for (let j = at; j < at + per; j++) m2[c] += (data[j] - mean[c]) ** 2;
    }
  }
  if (!before) return { count, mean, m2 };
  const total = before.count + count;
  for (let c = 0; c < channels; c++) {
    const delta = mean[c] - before.mean[c];
    m2[c] += before.m2[c] + (delta * delta * before.count * count) / total;
    mean[c] = before.mean[c] + (delta * count) / total;
  }
  return { count: total, mean, m2 };
}

function insert(model: Model, conv: Node, moments: Moments, calibrate: Calibration): InsertedBatchNorm {
  const { graph } = model;
  const type = constantOf(conv.input(2))?.dataType;
  if (!type || !isFloatType(type)) throw new Error(`${conv.describe()} has no floating-point bias`);
  const epsilon = Math.fround(calibrate.epsilon ?? 1e-5);
  const channels = moments.mean.length;
  const variance = fromFloat64(
    type,
    [channels],
    moments.m2.map((s) => s / moments.count),
  );
  const stored = toFloat64(variance);
  const gamma = stored.map((v) => Math.sqrt(v + epsilon));
  const mean = fromFloat64(type, [channels], moments.mean);
  const layer = nameOf(conv);
  const parameter = (name: string, tensor: Tensor): Value =>
    graph.addInitializer(graph.uniqueName(`${layer}${RESTORED_MARK}${name}`), tensor);

  const before = conv.output(0);
  const after = new Value(before.name, before.type);
  const name = graph.uniqueName(`${layer}${RESTORED_MARK}BatchNormalization`);
  before.name = graph.uniqueName(`${before.name}${RESTORED_MARK}input`);
  const node = new Node({
    opType: 'BatchNormalization',
    name,
    inputs: [
      before,
      parameter('scale', fromFloat64(type, [channels], gamma)),
      parameter('bias', mean),
      parameter('mean', mean),
      parameter('var', variance),
    ],
    outputs: [after],
    attributes: { epsilon: { float: epsilon }, momentum: { float: calibrate.momentum ?? 0.9 } },
  });
  for (const { node: reader, index } of before.uses) if (reader !== node) reader.setInput(index, after);
  graph.addNode(node, { after: conv });
  return {
    conv: layer,
    batchNorm: name,
    channels,
    quiet: stored.reduce((n, v) => n + (v < epsilon ? 1 : 0), 0),
  };
}

function nameOf(conv: Node): string {
  return conv.name || conv.inputs[1]?.name || conv.output(0).name;
}
