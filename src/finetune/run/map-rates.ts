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
 * Factors on the learning rate of each RefConv map, by initializer name. `auto` divides by the layer's gain (1 where it
 * is below 1), so that a step moves a refocused kernel at most as far as it would a plain one, whatever the kernels'
 * size and the number of channels; a number is the same factor for all, 1 as published.
 */
export function mapRates(form: TrainingForm, choice: RefocusOptions['mapLr']): ReadonlyMap<string, number> {
  const rates = new Map<string, number>();
  for (const layer of form.layers) {
    if (choice !== 'auto') {
      rates.set(layer.map.name, choice);
      continue;
    }
    const base = constantOf(layer.base);
    if (!base) throw new Error(`the base of layer '${layer.layer}' is no constant`);
    const shape: RefConvShape = refConvShape(base.dims, layer.groups, layer.mapKernel);
    rates.set(layer.map.name, 1 / Math.max(1, mapGain(toFloat64(base), shape)));
  }
  return rates;
}
