import { cloneModel, type Model, type Tensor } from '../../onnx/index.js';
import type { Engine } from '../engine.js';
import { specialize } from '../specialize/index.js';
import { toInferenceMode } from '../specialize/inference-mode.js';
import type { Trial } from './self-test.js';

/** A network in its inference form, for the dims of what it is fed. @param host folds what depends on dims */
export async function inferenceTrial(
  source: Model,
  feeds: ReadonlyMap<string, Tensor>,
  host: Engine,
): Promise<Trial> {
  const copy = cloneModel(source);
  toInferenceMode(copy);
  const inputShapes = new Map(Array.from(feeds, ([name, { dims }]) => [name, dims]));
  const { model } = await specialize(copy, { inputShapes, engine: host });
  return { model, feeds };
}
