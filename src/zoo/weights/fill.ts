import { UsageError } from '../../base/errors.js';
import { cloneModel, type Model, sizeOf, Tensor, type Value } from '../../onnx/index.js';
import type { ZooEntry } from '../entry.js';
import { markTrained } from '../metadata.js';
import { adjust } from './adjust.js';
import { asFloat32, isFloat, kerasLayout, type Layout, normalizationAfter, reversed } from './layout.js';
import { nameMap, namings, plainNames } from './maps.js';
import { Mismatch } from './mismatch.js';
import type { NameMap, Naming } from './naming.js';

export interface FillOptions {
  /** Names the file in errors. Default: 'the checkpoint'. */
  readonly file?: string;
}

/**
 * A network of the zoo with the weights of a checkpoint: a new model, marked as trained; the given one is not changed. Names
 * and layouts become the zoo's, prefixes such as `module.` are taken off, and what the package computes differently (padding,
 * ε) is written into the graph.
 * @param model as `entry` builds it, of the size and number of classes that the checkpoint has
 * @param tensors by the names and in the layout of the package (PyTorch: OIHW, Keras: `layer/variable`, HWIO)
 * @throws UsageError when the package has no such network; InputError that lists all names that do not fit, on both sides
 */
export function fillFromCheckpoint(
  model: Model,
  entry: ZooEntry,
  tensors: ReadonlyMap<string, Tensor>,
  naming: Naming,
  options: FillOptions = {},
): Model {
  const { file = 'the checkpoint' } = options;
  const map = nameMap(entry, naming);
  if (!map)
    throw new UsageError({
      problem: `${naming} has no names for ${entry.name}`,
      expected: namings(entry).join(', '),
    });
  const filled = cloneModel(model);
  const mismatch = new Mismatch(file, entry, naming);
  const open = new Map([...filled.graph.initializers].filter(isParameter).map((v) => [v.name, v]));
  const biases = new Map<Value, Float32Array>();
  const from = new Map<string, string>();
  const plain = plainNames(tensors, naming);
  const rename = map.rename([...plain.keys()]);
  for (const [name, { key, tensor }] of plain) {
    const target = rename(name);
    const value = target && open.get(target.name);
    if (!value || !target) {
      const mean = target && map.foldsBias ? foldedInto(filled, target.name) : undefined;
      if (mean && isFloat(tensor.dataType) && String(tensor.dims) === String(mean.shape))
        biases.set(mean, asFloat32(tensor));
      else if (!isIgnored(map, name)) mismatch.unknown(key, tensor);
      continue;
    }
    const other = from.get(value.name);
    if (other !== undefined) mismatch.twice(key, other, value.name);
    from.set(value.name, key);
    const placed = place(tensor, value, naming, target.reshape === true);
    if (placed) filled.graph.setInitializer(value, placed);
    else mismatch.shape(key, tensor, value);
  }
  for (const value of open.values()) if (!from.has(value.name)) mismatch.missing(value);
  mismatch.check(filled);
  for (const [mean, bias] of biases) subtract(filled, mean, bias);
  if (map.adjust) adjust(filled, map.adjust);
  markTrained(filled);
  return filled;
}

/** Constants of operators are initializers too; they are no weights. */
function isParameter(value: Value): boolean {
  return !value.name.startsWith('const/');
}

function isIgnored(map: NameMap, name: string): boolean {
  return name.endsWith('num_batches_tracked') || map.ignored?.test(name) === true;
}

/** The tensor in our layout and type; undefined where it does not fit. Elements are put in order when they are first read. */
function place(tensor: Tensor, value: Value, naming: Naming, reshape: boolean): Tensor | undefined {
  const dims = value.shape;
  if (!dims || !isFloat(tensor.dataType)) return undefined;
  const ours: Layout = naming === 'keras' ? kerasLayout(tensor.dims, value) : { dims: tensor.dims };
  const same = String(ours.dims) === String(dims);
  if (!same && !(reshape && ours.dims[0] === dims[0] && sizeOf(ours.dims) === sizeOf(dims))) return undefined;
  const { reversed: axes } = ours;
  if (!axes && tensor.dataType === 'float32') return tensor.with({ dims });
  return Tensor.lazyFloat32(dims, () => {
    const data = asFloat32(tensor);
    return axes ? reversed(data, axes) : data;
  });
}

/** The mean that takes the bias of this name, where our convolution has none and a normalization follows it. */
function foldedInto(model: Model, bias: string): Value | undefined {
  return bias.endsWith('.bias') ? normalizationAfter(model.graph, bias.slice(0, -'.bias'.length)) : undefined;
}

/** Normalizing x + b by the mean μ is normalizing x by μ − b. */
function subtract(model: Model, mean: Value, bias: Float32Array): void {
  if (!mean.initializer) throw new Error(`${mean.name} is no initializer`);
  const old = asFloat32(mean.initializer);
  model.graph.setInitializer(
    mean,
    Tensor.float32(
      [old.length],
      old.map((m, i) => m - bias[i]),
    ),
  );
}
