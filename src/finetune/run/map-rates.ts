import { sizeOf } from '../../onnx/index.js';
import {
  constantOf,
  mapGain,
  type RefConvShape,
  refConvShape,
  type TrainingForm,
  toFloat64,
} from '../../reparam/index.js';
import type { RefocusOptions } from '../options.js';

/**
 * Factors on the learning rate of each RefConv map, by initializer name. `auto` is such that a step moves a refocused kernel
 * at most as far as it would a plain one, whatever the kernels' size and the number of channels; a number is the same
 * factor for all, 1 as published. With D the gradient of the kernel, U the base kernels' im2col and γ the layer's gain, the
 * largest eigenvalue of UᵀU:
 *   sgd: the map moves by D·Uᵀ and the kernel by D·UᵀU, at most γ times D: 1/γ.
 *   adam, adamw, rmsprop: every entry of map or kernel moves by about the rate, whatever the gradient. A kernel of k entries
 *   moves by √k; its map of c·m entries by √(c·m), and the kernel with it by at most √γ times that: √(k / (c·m·γ)).
 * Never more than 1.
 */
export function mapRates(
  form: TrainingForm,
  choice: RefocusOptions['mapLr'],
  optimizer: RefocusOptions['optimizer'],
): ReadonlyMap<string, number> {
  const rates = new Map<string, number>();
  for (const layer of form.layers) {
    if (choice !== 'auto') {
      rates.set(layer.map.name, choice);
      continue;
    }
    const base = constantOf(layer.base);
    if (!base) throw new Error(`the base of layer '${layer.layer}' is no constant`);
    const shape: RefConvShape = refConvShape(base.dims, layer.groups, layer.mapKernel);
    const gain = mapGain(toFloat64(base), shape);
    const [, ...mapEntries] = shape.mapDims;
    const most =
      optimizer === 'sgd' ? 1 / gain : Math.sqrt(sizeOf(shape.kernel) / (sizeOf(mapEntries) * gain));
    rates.set(layer.map.name, Math.min(1, most));
  }
  return rates;
}
