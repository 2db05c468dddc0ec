import { cloneModel, constantsToInitializers, eliminateDeadNodes, type Model } from '../../onnx/index.js';
import { foldShapes } from '../specialize/fold-shapes.js';
import { checkSupported } from './check.js';

/**
 * The model as its nodes are run: shapes, axes and ranges that follow from constants and declared shapes are constants,
 * which leaves less to do in a run, and spares TensorFlow.js 64-bit numbers that only shape arithmetic has, such as the end
 * 2⁶³ − 1 of a Slice.
 * @throws UnsupportedError listing every node that cannot be run, each with the reason
 */
export function prepareForTfjs(model: Model): Model {
  const copy = cloneModel(model);
  constantsToInitializers(copy.graph);
  foldShapes(copy);
  eliminateDeadNodes(copy.graph);
  checkSupported(copy);
  return copy;
}
