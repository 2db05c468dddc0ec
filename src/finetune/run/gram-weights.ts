import { cloneModel, eliminateDeadNodes, type Model, sizeOf, Tensor } from '../../onnx/index.js';
import {
  constantOf,
  type GramPoint,
  gramMatrices,
  gramTransform,
  mapOfGram,
  readForm,
  refConvDelta,
  refConvTransform,
  toFloat64,
} from '../../reparam/index.js';
import type { TrainStep } from '../step/build.js';
import type { GramLayer } from '../step/refocus.js';

/** What training made of a network, in terms of its initializers. */
export interface TrainedWeights {
  /** Parameters and running statistics by initializer name, in the initializers' dims. */
  readonly weights: ReadonlyMap<string, Tensor>;
  /** By the map's name: W_t of the layers that were trained in the Gram form, as α and Z say, in float64. */
  readonly kernels: ReadonlyMap<string, Float64Array>;
}

/**
 * Maps in place of what the Gram form kept of them: W_r = α·R₀ + Z·Uᵀ, in float64, rounded once.
 * @param trained parameters and statistics by the name of their state, in its dims
 */
export function explicitWeights(
  gram: readonly GramLayer[],
  trained: ReadonlyMap<string, Tensor>,
): TrainedWeights {
  const weights = new Map(trained);
  const kernels = new Map<string, Float64Array>();
  for (const layer of gram) {
    const { base, r0, shape } = layer;
    const point = pointOf(layer, trained);
    const [w, start] = [toFloat64(base), toFloat64(r0)];
    weights.delete(layer.z);
    weights.delete(layer.alpha);
    weights.set(
      layer.map,
      Tensor.float32(shape.mapDims, Float32Array.from(mapOfGram(w, start, point, shape))),
    );
    const p0 = refConvDelta(w, start, shape);
    kernels.set(layer.map, gramTransform(w, p0, point, gramMatrices(w, shape), shape));
  }
  return { weights, kernels };
}

function pointOf(layer: GramLayer, trained: ReadonlyMap<string, Tensor>): GramPoint {
  const [alpha, z] = [trained.get(layer.alpha), trained.get(layer.z)];
  if (!alpha || !z) throw new Error(`the state of layer '${layer.layer}' is missing`);
  return { alpha: toFloat64(alpha)[0], z: toFloat64(z) };
}

/**
 * The training form with the kernels of some layers as constants in place of what computes them.
 * @param kernels W_t by the map's name, rounded here
 */
export function withKernels(model: Model, kernels: ReadonlyMap<string, Float64Array>): Model {
  const copy = cloneModel(model);
  const { graph } = copy;
  for (const { base, map, transformed, weight } of readForm(copy)?.layers ?? []) {
    const kernel = kernels.get(map.name);
    if (!kernel || !base.shape) continue;
    graph.replaceUses(
      transformed,
      graph.addInitializer(weight, Tensor.float32(base.shape, Float32Array.from(kernel))),
    );
  }
  eliminateDeadNodes(graph);
  return copy;
}

/**
 * Whether a training form computes the kernels that were trained in the Gram form. A map that stands for α and Z is rounded
 * to float32, so each product of W_t may be off by 2⁻²⁴ of itself, and by no more.
 * @param written the training form, read back from its file
 * @returns one line for each layer that is not what was trained
 */
export function checkKernels(
  file: string,
  { kernels, step }: Pick<TrainedWeights, 'kernels'> & { readonly step: Pick<TrainStep, 'gram'> },
  written: Model,
): string[] {
  const maps = new Map((readForm(written)?.layers ?? []).map(({ map }) => [map.name, constantOf(map)]));
  return step.gram.flatMap(({ layer, map, base, shape }) => {
    const [kernel, tensor] = [kernels.get(map), maps.get(map)];
    if (!kernel || tensor?.size !== sizeOf(shape.mapDims))
      return [`${file} has lost the map of layer '${layer}'`];
    const [w, r] = [toFloat64(base), toFloat64(tensor)];
    const stored = refConvTransform(w, r, shape);
    const products = refConvDelta(w.map(Math.abs), r.map(Math.abs), shape);
    const own = IN_DOUBLE * kernel.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    const wrong = kernel.findIndex((v, i) => !(Math.abs(v - stored[i]) <= ROUNDING * products[i] + own));
    if (wrong < 0) return [];
    return [
      `the map of layer '${layer}' in ${file} makes ${stored[wrong]} of value ${wrong} of its kernel, and training ${kernel[wrong]}`,
    ];
  });
}

/** Half a step of float32, and a thousandth more. */
const ROUNDING = 2 ** -24 * 1.001;
/** Of the kernel's largest value: what the two ways to compute it in float64 differ by, and a margin. Far below float32. */
const IN_DOUBLE = 2 ** -40;
