import { UnsupportedError } from '../../base/errors.js';
import type { Preprocess } from '../../base/preprocess.js';
import {
  cloneModel,
  cloneNode,
  type GraphBuilder,
  type Model,
  upgradeOpset,
  Value,
} from '../../onnx/index.js';
import { specialize, toInferenceMode } from '../../runtime/index.js';
import { type ClassScores, classScores, mainOutput } from './classes.js';
import { onlyInput, type PrepareOptions, TRAINING_OPSET } from './prepare.js';

/** A network to learn from. */
export interface TeacherModel {
  readonly model: Model;
  /** How its input is made from the step's pixels; default: as that of the network that is trained. */
  readonly preprocess?: Preprocess;
}

/** A frozen classifier, ready to be joined into a step graph. */
export interface Teacher extends ClassScores, TeacherModel {
  /** The float network input [N,C,H,W]. */
  readonly input: Value;
}

/**
 * A copy of a model in inference form, with a fixed batch and static shapes.
 * @throws UnsupportedError when it is no classifier of one float32 image input, or does not take images of this size
 */
export async function prepareTeacher(
  { model: source, preprocess }: TeacherModel,
  options: Pick<PrepareOptions, 'batch' | 'image' | 'engine'>,
): Promise<Teacher> {
  const copy = cloneModel(source);
  toInferenceMode(copy);
  mainOutput(copy);
  const { name } = onlyInput(copy);
  const inputShapes = new Map([[name, [options.batch, ...options.image]]]);
  const { model } = await specialize(copy, { inputShapes, engine: options.engine });
  upgradeOpset(model, TRAINING_OPSET);
  const input = model.graph.inputs.find((v) => v.name === name);
  if (!input) throw new Error(`input '${name}' was lost`);
  const scores = classScores(model, mainOutput(model), options.batch);
  return { model, input, ...(preprocess && { preprocess }), ...scores };
}

/**
 * Joins a teacher's forward pass at the end of a graph, under names of its own (`teacher/…`).
 * @param input what it reads: the network input of the step graph
 * @returns its logits there
 */
export function joinTeacher(b: GraphBuilder, { model, input: own, logits }: Teacher, input: Value): Value {
  const { graph } = b;
  const [expected, found] = [own.shape, input.shape];
  if (expected?.join() !== found?.join())
    throw new UnsupportedError({
      problem: `the teacher ${model.source ?? ''} reads another image`,
      expected: `[${found}]`,
      found: `[${expected}]`,
    });
  const named = (name: string): string => graph.uniqueName(`teacher/${name}`);
  const map = new Map<Value, Value>([[own, input]]);
  for (const v of model.graph.initializers)
    if (v.initializer) map.set(v, graph.addInitializer(named(v.name), v.initializer));
  for (const node of model.graph.nodes) {
    for (const o of node.outputs) if (o.name !== '') map.set(o, new Value(named(o.name), o.type));
    const copy = cloneNode(node, map, graph);
    copy.name = named(node.name || node.outputs[0].name);
    graph.addNode(copy);
  }
  const joined = map.get(logits);
  if (!joined) throw new Error(`the logits '${logits.name}' were lost`);
  return joined;
}
