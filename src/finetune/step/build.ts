import type { Preprocess } from '../../base/preprocess.js';
import {
  eliminateDeadNodes,
  GraphBuilder,
  type Model,
  type Node,
  Tensor,
  tensorType,
  type Value,
} from '../../onnx/index.js';
import { inferNode } from '../../onnx/infer/index.js';
import type { StateBinding } from '../../runtime/engine.js';
import { differentiate } from '../autodiff/differentiate.js';
import { isInternal } from '../autodiff/internal.js';
import { crossEntropy } from '../losses/cross-entropy.js';
import { lower } from '../lowering/lower.js';
import { portable } from '../lowering/portable/index.js';
import { type SgdOptions, sgd } from '../optim/sgd.js';
import { trainBatchNorm } from './batch-norm.js';
import { pixelInput } from './input.js';
import type { Prepared } from './prepare.js';

export interface TrainStepOptions extends SgdOptions {
  readonly weightDecay: number;
  /** Weight decay also on rank-1 parameters (BatchNormalization scale and bias, biases). */
  readonly decayAll: boolean;
  readonly labelSmoothing: number;
  readonly bn: 'train' | 'frozen';
  /** Pixels come as uint8 and are normalized in the graph; undefined: the network's own float input. */
  readonly preprocess?: Preprocess;
  /** Also outputs the logits and the gradient of every parameter and of a float input; for tests. */
  readonly probes?: boolean;
}

export interface StateTensor extends StateBinding {
  /** The initializer of the model this state belongs to. */
  readonly name: string;
  readonly kind: 'parameter' | 'momentum' | 'running';
  /** Dims of the initializer; in the step graph parameters are 1-D. */
  readonly dims: readonly number[];
  readonly initial: Tensor;
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
  readonly lowering: 'portable';
}

/** Builds the step graph over a prepared network; the network is used up. */
export function buildTrainStep(prepared: Prepared, options: TrainStepOptions): TrainStep {
  const { model, batch } = prepared;
  const { graph } = model;
  const b = new GraphBuilder(graph, model.opset, { infer: inferStatic });
  const logitsShape = shapeOf(prepared.logits);
  let input = prepared.input;
  if (options.preprocess) input = pixelInput(b, input, shapeOf(input), options.preprocess);

  const parameters = prepared.parameters.map((p) => flatten(b, p.value, p.initial));
  const running = options.bn === 'train' ? trainBatchNorm(b) : [];
  const label = graph.addInput(graph.uniqueName('label'), tensorType('int32', [batch]));
  const lr = graph.addInput(graph.uniqueName('lr'), tensorType('float32', []));
  const { loss, gradient, correct } = crossEntropy(
    b,
    prepared.logits,
    label,
    logitsShape,
    options.labelSmoothing,
  );
  const wanted = parameters.map((p) => p.shaped);
  if (options.probes && !options.preprocess) wanted.push(input);
  const gradients = differentiate(b, new Map([[prepared.logits, gradient]]), wanted);

  while (graph.outputs.length > 0) graph.removeOutput(graph.outputs[0]);
  graph.addOutput(loss);
  graph.addOutput(correct);
  const state: Omit<StateTensor, 'output'>[] = [];
  const bind = (s: Omit<StateTensor, 'output'>, next: Value): void => {
    graph.addOutput(next);
    state.push(s);
  };
  for (const { name, flat, shaped, initial } of parameters) {
    const g = gradients.get(shaped);
    if (!g) throw new Error(`no gradient for '${name}'`);
    const { dims, size } = initial;
    b.scope(name, () => {
      const flatGradient = b.op('Reshape', [g, b.i64([size])], {}, { name: 'grad' });
      const slot =
        options.momentum === 0
          ? undefined
          : graph.addInput(graph.uniqueName(`${name}/momentum`), tensorType('float32', [size]));
      const decay = options.decayAll || dims.length > 1 ? options.weightDecay : 0;
      const next = sgd(b, flat, flatGradient, slot, lr, decay, options);
      const start = initial.with({ dims: [size] });
      bind({ name, kind: 'parameter', dims, input: flat.name, initial: start }, next.parameter);
      if (slot && next.momentum)
        bind({ name, kind: 'momentum', dims, input: slot.name, initial: zeros(size) }, next.momentum);
    });
  }
  for (const { value, initial, next } of running)
    bind({ name: value.name, kind: 'running', dims: initial.dims, input: value.name, initial }, next);

  const probed: string[] = [];
  const probe = (name: string, value: Value | undefined): void => {
    if (!value) return;
    probed.push(name);
    graph.addOutput(b.op('Identity', [value], {}, { name: `probe/${name}` }));
  };
  if (options.probes) {
    probe('logits', prepared.logits);
    if (!options.preprocess) probe(input.name, gradients.get(input));
    for (const p of parameters) probe(p.name, gradients.get(p.shaped));
  }
  lower(b, portable);
  eliminateDeadNodes(graph);
  // Lowering replaces values, so outputs are named only now.
  const names = graph.outputs.map((v) => v.name);
  return {
    model,
    image: input.name,
    label: label.name,
    lr: lr.name,
    loss: names[0],
    correct: names[1],
    fetch: names.slice(0, 2),
    state: state.map((s, i) => ({ ...s, output: names[2 + i] })),
    probes: new Map(probed.map((name, i) => [name, names[2 + state.length + i]])),
    batch,
    lowering: 'portable',
  };
}

interface FlatParameter {
  readonly name: string;
  readonly flat: Value;
  /** What the network reads. */
  readonly shaped: Value;
  readonly initial: Tensor;
}

/** Gives a parameter a 1-D graph input, reshaped where the network reads it. */
function flatten(b: GraphBuilder, value: Value, initial: Tensor): FlatParameter {
  const { graph } = b;
  const name = value.name;
  const first = graph.nodes[0];
  const flat = graph.addInput(graph.uniqueName(`${name}/parameter`), tensorType('float32', [initial.size]));
  const shaped = b.at(first ? { before: first } : 'end', () =>
    b.scope(name, () => b.op('Reshape', [flat, b.i64(initial.dims)], {}, { name: 'shaped' })),
  );
  graph.replaceUses(value, shaped);
  graph.removeInput(value);
  return { name, flat, shaped, initial };
}

function zeros(size: number): Tensor {
  return Tensor.float32([size], new Float32Array(size));
}

function shapeOf(value: Value): readonly number[] {
  if (!value.shape) throw new Error(`the shape of '${value.name}' is not known`);
  return value.shape;
}

/** Types of emitted nodes; internal operators bring their own. */
function inferStatic(node: Node, opset: number): ReturnType<typeof inferNode> {
  return isInternal(node) ? node.outputs.map((o) => o.type) : inferNode(node, opset);
}
