import {
  cloneModel,
  encodeModel,
  Graph,
  GraphBuilder,
  Model,
  sizeOf,
  tensorType,
  type Value,
} from '../../onnx/index.js';
import type { StepSessionInit } from '../engine.js';
import type { RefusedOutput, TensorSpec } from '../worker/protocol.js';
import { isFeedable } from './tensors.js';

/** The first version of ONNX with sequences. */
const SEQUENCES = 11;

/**
 * A step graph whose run ends without a result. The binding (1.30) makes a copy of every output for its result, also of
 * those that the run wrote into tensors it was given; that took 6 % of ResNet-18's step, for new memory is slow to touch.
 * It does so in the order of the graph's outputs, and refuses sequences: an empty one as the first output ends it before
 * anything is copied, when all tensors are filled.
 * @returns undefined where an output that is not state has no static shape, so that nobody can make a tensor for it
 */
export function withRefusedOutput(
  model: Model,
  { state, fetch }: Pick<StepSessionInit, 'state' | 'fetch'>,
): { readonly model: Model; readonly refused: RefusedOutput } | undefined {
  if (model.opset < SEQUENCES) return undefined;
  const kept = new Set(state.map((b) => b.output));
  const filled: [string, TensorSpec][] = [];
  for (const name of new Set(fetch)) {
    if (kept.has(name)) continue;
    const spec = specOf(model.graph.find(name));
    if (!spec) return undefined;
    filled.push([name, spec]);
  }
  const copy = cloneModel(model);
  const output = addSequence(copy);
  return { model: copy, refused: { output, filled, probe: probe() } };
}

/** An empty sequence, the first output. @returns its name */
function addSequence({ graph, opset }: Model): string {
  const outputs = [...graph.outputs];
  for (const value of outputs) graph.removeOutput(value);
  const sequence = new GraphBuilder(graph, opset).op('SequenceEmpty', []);
  for (const value of [sequence, ...outputs]) graph.addOutput(value);
  return sequence.name;
}

/** The file of a model that has such an output alone. */
function probe(): Uint8Array {
  const graph = new Graph('probe');
  graph.addInput('x', tensorType('float32', [1]));
  const model = new Model(graph, SEQUENCES);
  addSequence(model);
  return encodeModel(model);
}

function specOf(value: Value | undefined): TensorSpec | undefined {
  const { shape, type } = value ?? {};
  if (!shape || type?.kind !== 'tensor' || !isFeedable(type.dataType)) return undefined;
  return Number.isSafeInteger(sizeOf(shape)) ? { dataType: type.dataType, dims: shape } : undefined;
}
