import type { Model } from '../../onnx/index.js';
import { fuse } from '../../reparam/index.js';
import { toInferenceMode } from '../../runtime/index.js';

/**
 * What of a trained model is deployed: fused, and in inference mode also where it started from a file that was exported
 * in training mode, whose Dropout would go on dropping.
 */
export function deployed(trained: Model): Model {
  const { model } = fuse(trained);
  toInferenceMode(model);
  return model;
}
