import { type Model, Tensor } from '../../onnx/index.js';
import {
  constantOf,
  type GramPoint,
  gramOfMap,
  mapOfGram,
  type RefConvShape,
  readForm,
  refConvShape,
  toFloat64,
} from '../../reparam/index.js';
import type { TrainStep } from '../step/build.js';
import { alphaOf, zOf } from '../step/refocus.js';
import type { StateKind } from '../step/state.js';
import { keyOf } from './checkpoint.js';

/**
 * What float32 rounding leaves of a map beside α·R₀ + Z·Uᵀ after a step, relative to the map; over steps it adds up like a
 * random walk. More than that was made by something that is not linear in the gradient.
 */
const ROUNDING = 2 ** -20;

export interface Converted {
  /** The stored tensors, and what the step needs besides. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Layers whose state went from one form to the other. */
  readonly toGram: readonly string[];
  readonly toExplicit: readonly string[];
  /** Maps that are no α·R₀ + Z·Uᵀ: they can only be an R₀ themselves. */
  readonly strangers: ReadonlyMap<string, Tensor>;
  /** What has no counterpart in the step's form, by key. */
  readonly lost: readonly string[];
}

interface Layer {
  readonly layer: string;
  readonly map: string;
  readonly base: Float64Array;
  readonly dims: readonly number[];
  readonly r0: Float64Array;
  readonly shape: RefConvShape;
}

/**
 * State of one form of a map as state of the other: the map itself, and whatever a step keeps about it that follows it
 * linearly (momentum, average, accumulated gradients).
 * @param steps that made the stored state
 * @param model the training form with R₀ in its maps
 */
export function convertForms(
  stored: ReadonlyMap<string, Tensor>,
  steps: number,
  step: TrainStep,
  model: Model,
): Converted {
  const limit = ROUNDING * Math.sqrt(steps + 1);
  const tensors = new Map(stored);
  const inGramForm = new Set(step.gram.map((l) => l.map));
  const toGram: string[] = [];
  const toExplicit: string[] = [];
  const lost: string[] = [];
  const strangers = new Map<string, Tensor>();
  for (const layer of layersOf(model)) {
    const gram = inGramForm.has(layer.map);
    if (stored.has(gram ? zOf(layer.map) : layer.map)) continue;
    const states = step.state.filter((s) => s.name === (gram ? zOf(layer.map) : layer.map));
    if (!stored.has(gram ? layer.map : zOf(layer.map)) || states.length === 0) continue;
    (gram ? toGram : toExplicit).push(layer.layer);
    for (const { kind } of states) {
      if (!gram) {
        const point = storedPoint(stored, layer.map, kind);
        if (point) tensors.set(keyOf({ name: layer.map, kind }), explicit(layer, kind, point));
        continue;
      }
      const key = keyOf({ name: layer.map, kind });
      const map = stored.get(key);
      if (!map) continue;
      const { alpha, z, residual } = gramOfMap(layer.base, startOf(layer, kind), toFloat64(map), layer.shape);
      if (residual > limit) {
        if (kind === 'parameter') strangers.set(layer.map, map);
        else lost.push(key);
        continue;
      }
      tensors.set(keyOf({ name: zOf(layer.map), kind }), Tensor.float32(layer.dims, Float32Array.from(z)));
      const weight = kind === 'accumulated' ? 0 : alpha;
      tensors.set(keyOf({ name: alphaOf(layer.map), kind }), Tensor.float32([1], [weight]));
    }
  }
  return { tensors, toGram, toExplicit, strangers, lost };
}

function layersOf(model: Model): Layer[] {
  return (readForm(model)?.layers ?? []).flatMap(({ layer, base, map, groups, mapKernel }) => {
    const [w, r] = [constantOf(base), constantOf(map)];
    if (!w || !r) return [];
    const shape = refConvShape(w.dims, groups, mapKernel);
    return [{ layer, map: map.name, base: toFloat64(w), dims: w.dims, r0: toFloat64(r), shape }];
  });
}

function storedPoint(
  stored: ReadonlyMap<string, Tensor>,
  map: string,
  kind: StateKind,
): GramPoint | undefined {
  const [alpha, z] = [alphaOf(map), zOf(map)].map((name) => stored.get(keyOf({ name, kind })));
  return alpha && z ? { alpha: toFloat64(alpha)[0], z: toFloat64(z) } : undefined;
}

function explicit(layer: Layer, kind: StateKind, point: GramPoint): Tensor {
  const map = mapOfGram(layer.base, startOf(layer, kind), point, layer.shape);
  return Tensor.float32(layer.shape.mapDims, Float32Array.from(map));
}

/** A gradient D·Uᵀ has no part of R₀. */
function startOf({ r0 }: Layer, kind: StateKind): Float64Array {
  return kind === 'accumulated' ? new Float64Array(r0.length) : r0;
}
