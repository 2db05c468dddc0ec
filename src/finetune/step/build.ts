import type { Preprocess } from '../../base/preprocess.js';
import {
  eliminateDeadNodes,
  GraphBuilder,
  type Model,
  type Node,
  tensorType,
  type Value,
} from '../../onnx/index.js';
import { inferNode } from '../../onnx/infer/index.js';
import { differentiate } from '../autodiff/differentiate.js';
import { isInternal } from '../autodiff/internal.js';
import type { LossOptions } from '../losses/table.js';
import { lower } from '../lowering/lower.js';
import { portable } from '../lowering/portable/index.js';
import { type RunningStatistic, trainBatchNorm } from './batch-norm.js';
import { pixelInput } from './input.js';
import { objective, staticShape } from './objective.js';
import { flatGradients, flattenParameter } from './parameters.js';
import type { Prepared } from './prepare.js';
import type { StateTensor, StateUpdate } from './state.js';
import { stepUpdates, type UpdatesOptions } from './updates.js';

export interface TrainStepOptions extends UpdatesOptions {
  readonly loss: LossOptions;
  readonly bn: 'train' | 'frozen';
  /** Pixels come as uint8 and are normalized in the graph; undefined: the network's own float input. */
  readonly preprocess?: Preprocess;
  /**
   * Also outputs the logits and the gradient of every parameter and of a float input, before they are accumulated and
   * clipped; for tests.
   */
  readonly probes?: boolean;
}

/**
 * A training step as one ONNX graph. Signature:
 *   inputs `image` (uint8 [N,C,H,W], or the network's own float input), `label` (int32 [N]), `lr` (float scalar), then
 *   every state tensor; outputs `loss` (mean over the batch), `correct` (right top-1 answers, a float count), then
 *   every new state tensor, in the order of the inputs.
 */
export interface TrainStep {
  readonly model: Model;
  readonly image: string;
  readonly label: string;
  readonly lr: string;
  readonly fetch: readonly string[];
  readonly loss: string;
  readonly correct: string;
  readonly state: readonly StateTensor[];
  /** With `probes`: output names of `logits` and of gradients, by parameter or input name. */
  readonly probes: ReadonlyMap<string, string>;
  readonly batch: number;
  /** Labels are 0 … classes − 1. */
  readonly classes: number;
  readonly lowering: 'portable';
}

/**
 * Builds the step graph over a prepared network; the network is used up.
 * @throws UnsupportedError naming the node that cannot be trained through, before anything runs
 */
export function buildTrainStep(prepared: Prepared, options: TrainStepOptions): TrainStep {
  const { model, batch } = prepared;
  const { graph } = model;
  const b = new GraphBuilder(graph, model.opset, { infer: inferStatic });
  const image = options.preprocess
    ? pixelInput(b, prepared.input, staticShape(prepared.input), options.preprocess)
    : prepared.input;
  const parameters = prepared.parameters.map((p) => flattenParameter(b, p));
  const statistics = options.bn === 'train' ? trainBatchNorm(b) : [];
  const share = 1 / (options.accumulate ?? 1);
  const { label, loss, correct, seeds } = objective(b, prepared, options.loss, share);
  const lr = graph.addInput(graph.uniqueName('lr'), tensorType('float32', []));

  const probedInput = options.probes && !options.preprocess ? image : undefined;
  const wanted = new Set(parameters.flatMap((p) => p.gradientOf ?? []));
  if (probedInput) wanted.add(probedInput);
  const found = differentiate(b, seeds, [...wanted]);
  const gradientOf = (v: Value): Value => {
    const gradient = found.get(v);
    if (!gradient) throw new Error(`no gradient for '${v.name}'`);
    return gradient;
  };
  const gradients = flatGradients(b, parameters, gradientOf);
  const updates = stepUpdates(b, gradients, statistics.map(statisticUpdate), lr, options);
  const probes = new Map<string, Value>();
  if (options.probes) probes.set('logits', prepared.logits);
  if (probedInput) probes.set(probedInput.name, gradientOf(probedInput));
  if (options.probes)
    for (const p of parameters) if (p.gradientOf) probes.set(p.name, gradientOf(p.gradientOf));

  setOutputs(b, [loss, correct, ...updates.map((u) => u.next)], probes);
  lower(b, portable);
  eliminateDeadNodes(graph);
  // Lowering replaces values, so outputs are named only now.
  const names = graph.outputs.map((v) => v.name);
  return {
    model,
    image: image.name,
    label: label.name,
    lr: lr.name,
    loss: names[0],
    correct: names[1],
    fetch: names.slice(0, 2),
    state: updates.map(({ next: _, ...state }, i) => ({ ...state, output: names[2 + i] })),
    probes: new Map([...probes.keys()].map((name, i) => [name, names[2 + updates.length + i]])),
    batch,
    classes: prepared.classes,
    lowering: 'portable',
  };
}

function statisticUpdate({ value, initial, next }: RunningStatistic): StateUpdate {
  return { name: value.name, kind: 'running', dims: initial.dims, input: value.name, initial, next };
}

/** The step's outputs in place of the network's. A probe may be a value that is an output already, so it is copied. */
function setOutputs(b: GraphBuilder, outputs: readonly Value[], probes: ReadonlyMap<string, Value>): void {
  const { graph } = b;
  while (graph.outputs.length > 0) graph.removeOutput(graph.outputs[0]);
  for (const v of outputs) graph.addOutput(v);
  for (const [name, v] of probes) graph.addOutput(b.op('Identity', [v], {}, { name: `probe/${name}` }));
}

/** Types of emitted nodes; internal operators bring their own. */
function inferStatic(node: Node, opset: number): ReturnType<typeof inferNode> {
  return isInternal(node) ? node.outputs.map((o) => o.type) : inferNode(node, opset);
}
