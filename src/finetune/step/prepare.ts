import { UnsupportedError, UsageError } from '../../base/errors.js';
import { cloneModel, type Model, type Tensor, tensorType, upgradeOpset, Value } from '../../onnx/index.js';
import { constantOf, type RefConvShape, readForm, refConvShape, trainables } from '../../reparam/index.js';
import type { Engine } from '../../runtime/index.js';
import { specialize, toInferenceMode } from '../../runtime/index.js';
import type { JudgedKind } from '../losses/loss.js';
import { ownAuxiliary } from './auxiliary.js';
import { checkImageSize } from './check-image.js';
import { refuseDynamicShapes, refuseOtherTypes, refuseQuantized } from './check-network.js';
import { type ClassScores, judged, mainOutput } from './classes.js';

/** The opset of training graphs: the newest whose kernels the WebGPU provider still has. */
export const TRAINING_OPSET = 20;

export interface PrepareOptions {
  readonly batch: number;
  /** C, H, W of the network input. */
  readonly image: readonly number[];
  /** Runs what shape inference cannot. */
  readonly engine: Engine;
  /** What other inputs than the image hold in every step, by name: a mask, a keep probability. */
  readonly fixed?: ReadonlyMap<string, Tensor>;
  /** What the loss judges; default: class scores. */
  readonly judges?: JudgedKind;
  /** Weights in the loss of outputs that it judges beside the main one, by name. */
  readonly auxiliary?: ReadonlyMap<string, number>;
  /** Names of parameters that are not trained. */
  readonly freeze?: ReadonlySet<string>;
}

/** An output that the loss judges beside the main one. */
export interface AuxiliaryOutput extends ClassScores {
  readonly name: string;
  readonly weight: number;
}

export interface Parameter {
  /** A graph input of the prepared model, named as the initializer it was. */
  readonly value: Value;
  readonly initial: Tensor;
}

/** A kernel that a training form computes from a frozen base and a trained map (RefConv). */
export interface RefocusedKernel {
  /** For messages. */
  readonly layer: string;
  /** W_t, as the training form's graph computes it. */
  readonly kernel: Value;
  /** W_b, float32 [C_out, C_in/g, k…]. */
  readonly base: Tensor;
  /** W_r, [n, n/G, m…]. */
  readonly map: Parameter;
  readonly shape: RefConvShape;
}

/** A network with a fixed batch, static shapes, canonical operators and its parameters as graph inputs. */
export interface Prepared extends ClassScores {
  readonly model: Model;
  readonly batch: number;
  /** The float network input [N,C,H,W]. */
  readonly input: Value;
  readonly parameters: readonly Parameter[];
  readonly judges: JudgedKind;
  readonly auxiliary: readonly AuxiliaryOutput[];
  /** Their maps are among the parameters. Empty for a plain model. */
  readonly refocused: readonly RefocusedKernel[];
}

/**
 * Copies a model and brings it to the form that training builds on.
 * @throws UnsupportedError when it is no classifier of one float32 image input, a trainable tensor is not float32, the
 *   network is quantized, or a shape depends on the data;
 *   UsageError when `fixed` does not fit the inputs; InputError when the network cannot take images of this size
 */
export async function prepareTraining(source: Model, options: PrepareOptions): Promise<Prepared> {
  const model = cloneModel(source);
  refuseQuantized(model);
  toInferenceMode(model, { keepDropout: true });
  const { auxiliary = ownAuxiliary(model), judges = 'scores', freeze } = options;
  const main = mainOutput(model, auxiliary.keys()).name;
  const fixed = options.fixed ?? new Map<string, Tensor>();
  const input = onlyInput(model, fixed);
  const layers = readForm(model)?.layers ?? [];
  const bases = layers.map((l) => constantOf(l.base));
  checkImageSize(model, input, options.image, options.batch);
  const parameters: { name: string; initial: Tensor }[] = [];
  const trainable = trainables(model).trainable.filter((v) => !freeze?.has(v.name));
  refuseOtherTypes(trainable);
  for (const value of trainable) {
    const initial = constantOf(value);
    if (!initial) continue;
    parameters.push({ name: value.name, initial });
    makeInput(model, value, initial);
  }
  const inputShapes = new Map(Array.from(fixed, ([name, { dims }]) => [name, dims] as const));
  inputShapes.set(input.name, [options.batch, ...options.image]);
  const special = await specialize(model, { inputShapes, engine: options.engine });
  refuseDynamicShapes(special.report.dataDependent);
  upgradeOpset(special.model, TRAINING_OPSET);
  const graph = special.model.graph;
  const judge = (name: string): ClassScores => {
    const output = graph.outputs.find((v) => v.name === name);
    if (!output) throw new Error(`the output '${name}' was lost while the model was prepared`);
    return judged(special.model, output, options.batch, judges);
  };
  const byName = new Map([...graph.values()].map((v) => [v.name, v]));
  const find = (name: string): Value => {
    const value = byName.get(name);
    if (!value) throw new Error(`'${name}' was lost while the model was prepared`);
    return value;
  };
  for (const [name, tensor] of fixed) fixInput(special.model, find(name), tensor);
  const trained = new Map(
    parameters.map((p): [string, Parameter] => [p.name, { value: find(p.name), initial: p.initial }]),
  );
  return {
    model: special.model,
    batch: options.batch,
    input: find(input.name),
    ...judge(main),
    judges,
    auxiliary: [...auxiliary].map(([name, weight]) => ({ name, weight, ...judge(name) })),
    parameters: [...trained.values()],
    refocused: layers.flatMap(({ layer, transformed, map, groups, mapKernel }, i) => {
      const [base, parameter] = [bases[i], trained.get(map.name)];
      if (!base || !parameter) return [];
      const shape = refConvShape(base.dims, groups, mapKernel);
      return [{ layer, kernel: find(transformed.name), base, map: parameter, shape }];
    }),
  };
}

/** Makes a constant a graph input of the same name. */
function makeInput({ graph }: Model, value: Value, { dataType, dims }: Tensor): void {
  const { producer } = value;
  if (!producer) {
    if (!value.isInput) graph.addInput(value);
    graph.removeInitializer(value);
    return;
  }
  // Few files declare the type of a Constant's output.
  const input = graph.addInput(new Value(value.name, tensorType(dataType, dims)));
  graph.replaceUses(value, input);
  graph.removeNode(producer);
}

/** Makes an input a constant. @throws UsageError when it takes another type or other dims */
function fixInput({ graph }: Model, input: Value, tensor: Tensor): void {
  const type = input.type?.kind === 'tensor' ? input.type : undefined;
  const dims = input.shape ?? [];
  if (type?.dataType !== tensor.dataType || `${dims}` !== `${tensor.dims}`)
    throw new UsageError({
      problem: `what input '${input.name}' is fixed to`,
      expected: `${type?.dataType ?? 'a tensor'} [${dims}]`,
      found: `${tensor.dataType} [${tensor.dims}]`,
    });
  graph.addInitializer(input, tensor);
  graph.removeInput(input);
}

/**
 * The image input: the one that is not among `fixed`.
 * @throws UnsupportedError when there are several inputs, none, or one that is not float32; UsageError when one of
 *   `fixed` is no input
 */
export function onlyInput(model: Model, fixed: ReadonlyMap<string, Tensor> = new Map()): Value {
  const required = model.graph.requiredInputs;
  for (const name of fixed.keys())
    if (!required.some((v) => v.name === name))
      throw new UsageError({
        problem: `${model.source ?? 'the model'} has no input '${name}' to fix`,
        expected: `one of ${required.map((v) => `'${v.name}'`).join(', ')}`,
      });
  const inputs = required.filter((v) => !fixed.has(v.name));
  const what = model.source ?? 'the model';
  if (inputs.length !== 1)
    throw new UnsupportedError({
      problem: `${what} has ${inputs.length || 'no'} inputs that must be fed`,
      expected: 'one image input, without a default value',
      found: inputs.map((v) => `'${v.name}'`).join(', ') || 'defaults for all',
    });
  const [input] = inputs;
  const type = input.type?.kind === 'tensor' ? input.type.dataType : undefined;
  if (type !== undefined && type !== 'float32')
    throw new UnsupportedError({
      problem: `input '${input.name}' of ${what}`,
      expected: 'float32 pixels',
      found: type,
      hint: 'convert the model to float32 first',
    });
  return input;
}
