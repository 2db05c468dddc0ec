import { UnsupportedError } from '../../base/errors.js';
import type { Preprocess } from '../../base/preprocess.js';
import { cloneModel, eliminateDeadNodes, GraphBuilder, type Model, Tensor } from '../../onnx/index.js';
import type { Engine } from '../../runtime/index.js';
import { specialize, toInferenceMode } from '../../runtime/index.js';
import { classScores, mainOutput } from '../step/classes.js';
import { pixelInput } from '../step/input.js';
import { onlyInput } from '../step/prepare.js';

export interface Evaluator {
  readonly classes: number;
  /** Logits [batch·classes] and, where the model ends in one, the output after its Softmax. */
  run(images: Uint8Array): Promise<{ readonly logits: Float32Array; readonly output: Float32Array }>;
  release(): Promise<void>;
}

export interface EvaluatorOptions {
  readonly engine: Engine;
  /** What prepares the graph. Default: the engine. */
  readonly host?: Engine;
  readonly batch: number;
  /** C, H, W. */
  readonly image: readonly number[];
  readonly preprocess: Preprocess;
  /** Names of outputs that are not judged. */
  readonly auxiliary?: readonly string[];
}

/**
 * A model ready to classify batches of pixels: inference form, batch fixed, normalization in the graph.
 * @throws UnsupportedError for a model that has no single float32 output [N,classes]
 */
export async function createEvaluator(source: Model, options: EvaluatorOptions): Promise<Evaluator> {
  const { engine, host = engine, batch, image } = options;
  const copy = cloneModel(source);
  toInferenceMode(copy);
  const judged = mainOutput(copy, options.auxiliary);
  const aside = copy.graph.outputs.filter((v) => v !== judged);
  for (const v of aside) copy.graph.removeOutput(v);
  if (aside.length > 0) eliminateDeadNodes(copy.graph);
  const input = onlyInput(copy);
  const { model } = await specialize(copy, {
    inputShapes: new Map([[input.name, [batch, ...image]]]),
    engine: host,
  });
  const { graph } = model;
  const output = mainOutput(model);
  const { logits, classes } = classScores(model, output, batch);
  const b = new GraphBuilder(graph, model.opset);
  const network = graph.inputs.find((v) => v.name === input.name);
  if (!network) throw new Error(`input '${input.name}' was lost`);
  const pixels = pixelInput(b, network, [batch, ...image], options.preprocess).image;
  // The same value twice is no legal output list.
  if (logits !== output) graph.addOutput(logits);
  eliminateDeadNodes(graph);
  const session = await engine.session(model);
  const names = { logits: logits.name, output: output.name };
  return {
    classes,
    run: async (images) => {
      const out = await session.run(new Map([[pixels.name, Tensor.uint8([batch, ...image], images)]]));
      return { logits: floats(out.get(names.logits)), output: floats(out.get(names.output)) };
    },
    release: () => session.release(),
  };
}

function floats(tensor: Tensor | undefined): Float32Array {
  const data = tensor?.typed();
  if (!(data instanceof Float32Array))
    throw new UnsupportedError({
      problem: 'the output of the model',
      expected: 'float32',
      found: tensor?.dataType ?? 'nothing',
    });
  return data;
}
