import {
  eliminateDeadNodes,
  type Graph,
  GraphBuilder,
  type Model,
  tensorType,
  type Value,
} from '../../onnx/index.js';
import { differentiate } from '../autodiff/differentiate.js';
import { inferTrained } from '../autodiff/internal.js';
import type { Lowering } from '../lowering/lowering.js';
import { portableLowering } from '../lowering/portable/index.js';
import { LINEAR_IN_GRADIENT, type OptimizerOptions } from '../optim/table.js';
import { trainBatchNorm, updateStatistics } from './batch-norm.js';
import { chooseForms, type FormChoice } from './forms.js';
import { pixelInput } from './input.js';
import { type ObjectiveOptions, objective, staticShape } from './objective.js';
import { flatGradients, flattenParameter, inOrder, lowerParameters } from './parameters.js';
import type { Prepared } from './prepare.js';
import { seedRandomNodes } from './random.js';
import { type GramLayer, refocusKernels } from './refocus.js';
import type { StateTensor } from './state.js';
import { stepUpdates, type UpdatesOptions } from './updates.js';

export interface TrainStepOptions extends UpdatesOptions, ObjectiveOptions {
  readonly bn: 'train' | 'frozen';
  /** Whether Dropout drops. Default: 'train', it does. */
  readonly dropout?: 'train' | 'off';
  /** Default: portable. */
  readonly lowering?: Lowering;
  /** How the maps of a training form are trained. Default: auto. */
  readonly form?: FormChoice;
  /**
   * Also outputs the logits and the gradient of every parameter and of a float input, before they are accumulated and
   * clipped; for tests.
   */
  readonly probes?: boolean;
}

/**
 * A training step as one ONNX graph. Signature:
 *   inputs `image` (uint8 [N,C,H,W], or the network's own float input), `label` (int32 [N]), `lr` (float scalar), `seed`
 *   (int32 scalar, where something in the network is random), then every state tensor; outputs `loss` (mean over the batch), `correct` (right top-1 answers, a float count), then
 *   every new state tensor, in the order of the inputs.
 */
export interface TrainStep {
  readonly model: Model;
  readonly image: string;
  readonly label: string;
  readonly lr: string;
  /** What random nodes (dropout) draw from; another one in every step. Undefined where nothing is random. */
  readonly seed?: string;
  readonly fetch: readonly string[];
  readonly loss: string;
  readonly correct: string;
  readonly state: readonly StateTensor[];
  /** With `probes`: output names of `logits` and of gradients, by parameter or input name. */
  readonly probes: ReadonlyMap<string, string>;
  readonly batch: number;
  /** Labels are 0 … classes − 1. */
  readonly classes: number;
  readonly lowering: Lowering['name'];
  readonly optimizer: OptimizerOptions;
  /** Maps trained in the Gram form. */
  readonly gram: readonly GramLayer[];
  /** Values that the training form trains, each map counted as it stands in the file, and those that the step keeps for them. */
  readonly parameters: { readonly training: number; readonly stored: number };
}

/**
 * Builds the step graph over a prepared network; the network is used up.
 * @throws UnsupportedError naming the node that cannot be trained through, before anything runs
 */
export function buildTrainStep(prepared: Prepared, options: TrainStepOptions): TrainStep {
  const { model, batch } = prepared;
  const { graph } = model;
  const b = new GraphBuilder(graph, model.opset, { infer: inferTrained });
  const picture = options.preprocess
    ? pixelInput(b, prepared.input, staticShape(prepared.input), options.preprocess)
    : { image: prepared.input, network: prepared.input };
  const { image } = picture;
  const forms = chooseForms(prepared.refocused, options.form ?? 'auto', nonlinear(options));
  const gram = refocusKernels(b, forms);
  const parameters = prepared.parameters.flatMap(
    (p) => gram.get(p.value)?.parameters ?? [flattenParameter(b, p)],
  );
  const judged = [prepared.logits, ...prepared.auxiliary.map((a) => a.logits)];
  const seed = seedRandomNodes(b, judged, options.dropout ?? 'train');
  const statistics = options.bn === 'train' ? trainBatchNorm(b) : [];
  const share = 1 / (options.accumulate ?? 1);
  const { label, loss, correct, seeds } = objective(b, prepared, picture, options, share);
  const lr = graph.addInput(graph.uniqueName('lr'), tensorType('float32', []));

  const probedInput = options.probes && !options.preprocess ? image : undefined;
  const wanted = new Map(
    parameters.flatMap(({ gradientOf, name }) => (gradientOf ? [[gradientOf, name] as const] : [])),
  );
  if (probedInput) wanted.set(probedInput, probedInput.name);
  const found = differentiate(b, seeds, [...wanted.keys()], (v) => wanted.get(v) ?? v.name);
  const lowering = options.lowering ?? portableLowering;
  const gradientOf = (v: Value): Value => {
    const gradient = found.get(v);
    if (!gradient) throw new Error(`no gradient for '${v.name}'`);
    return gradient;
  };
  // Lowering replaces values in place where they are outputs of the graph.
  const batches = statistics.flatMap((s) => s.batches.map((v) => v.value));
  const inputGradient = probedInput && gradientOf(probedInput);
  setOutputs(graph, [
    loss,
    correct,
    ...batches,
    ...(options.probes ? [prepared.logits] : []),
    ...(inputGradient ? [inputGradient] : []),
  ]);
  const lowered = lowerParameters(b, lowering, parameters, gradientOf);
  for (const [domain, version] of lowering.opsets) model.opsets.set(domain, version);
  const [lossNow, correctNow, ...rest] = graph.outputs;
  const now = new Map(batches.map((v, i) => [v, rest[i]]));
  const running = updateStatistics(b, statistics, (v) => now.get(v) ?? v, lowering.together ?? 0);
  const [logits, ofInput] = rest.slice(batches.length);
  const updates = stepUpdates(b, flatGradients(b, lowered), running, lr, options);
  const probes = new Map<string, Value>();
  if (options.probes) {
    probes.set('logits', logits);
    if (probedInput) probes.set(probedInput.name, ofInput);
    for (const { parameter, gradient } of lowered)
      if (gradient) probes.set(parameter.state.name, inOrder(b, parameter, gradient));
  }
  const copies = [...probes].map(([name, v]) => b.op('Identity', [v], {}, { name: `probe/${name}` }));
  setOutputs(graph, [lossNow, correctNow, ...updates.map((u) => u.next), ...copies]);
  eliminateDeadNodes(graph);
  const names = graph.outputs.map((v) => v.name);
  return {
    model,
    image: image.name,
    label: label.name,
    lr: lr.name,
    ...(seed && { seed: seed.name }),
    loss: names[0],
    correct: names[1],
    fetch: names.slice(0, 2),
    state: updates.map(({ next: _, ...state }, i) => ({ ...state, output: names[2 + i] })),
    probes: new Map([...probes.keys()].map((name, i) => [name, names[2 + updates.length + i]])),
    batch,
    classes: prepared.classes,
    lowering: lowering.name,
    optimizer: options.optimizer,
    gram: Array.from(gram.values(), (g) => g.layer),
    parameters: {
      training: prepared.parameters.reduce((n, p) => n + p.initial.size, 0),
      stored: parameters.reduce((n, p) => n + p.state.initial.size, 0),
    },
  };
}

/** Why the change of a parameter is no linear function of its gradients; undefined where it is one. */
function nonlinear({ optimizer, clip }: TrainStepOptions): string | undefined {
  if (!LINEAR_IN_GRADIENT[optimizer.kind]) return `${optimizer.kind} is not linear in the gradient`;
  if (clip?.value !== undefined) return 'gradients clipped by value are not linear in the gradient';
  return undefined;
}

function setOutputs(graph: Graph, outputs: readonly Value[]): void {
  while (graph.outputs.length > 0) graph.removeOutput(graph.outputs[0]);
  for (const v of outputs) graph.addOutput(v);
}
