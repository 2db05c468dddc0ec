/**
 * The training form of a model: which kernels are computed, from what, and what of it is frozen. It is written twice,
 * into the model's metadata and into the initializers' names, because other tools drop the one or the other; what is
 * lost is recovered from the graph's structure, or refused. A training form is never taken for a plain model.
 */
import { InputError, ModelError } from '../base/errors.js';
import type { Graph, Model, Node, Value } from '../onnx/index.js';
import { constantOf, constantRegion } from './constants.js';
import { FORM_KEY, type FormLayer, type FormRecord, formSchema, type LayerRecord } from './form-schema.js';
import { tensorSha256 } from './hash.js';
import { METHODS } from './methods/index.js';

export {
  FORM_KEY,
  type FormLayer,
  type FormRecord,
  type LayerRecord,
  type MethodName,
} from './form-schema.js';

/** A model bears signs of a training form, but its layers cannot be told any more (exit code 3). */
export class MarkersLostError extends InputError {
  override readonly code = 'MARKERS_LOST';
}

export interface TrainingForm {
  readonly layers: readonly FormLayer[];
  /** `metadata`: as written by expand. `recovered`: the description was gone; found by names and structure. */
  readonly source: 'metadata' | 'recovered';
  /** Kernels that the description names, but that another tool has folded into plain constants since. */
  readonly folded: readonly LayerRecord[];
  /** The deployed file's IR version, where it differs from the training form's. */
  readonly irVersion: number | undefined;
}

/**
 * The training form of a model, or undefined for a plain model.
 * @throws MarkersLostError when the model is a training form whose layers cannot be told
 * @throws ModelError when the description itself is damaged
 */
export function readForm(model: Model): TrainingForm | undefined {
  const record = readRecord(model);
  const matched = matchLayers(model.graph);
  if (!record) {
    refuseLeftovers(model, matched);
    if (matched.length === 0) return undefined;
    return { layers: matched, source: 'recovered', folded: [], irVersion: undefined };
  }
  const layers: FormLayer[] = [];
  const folded: LayerRecord[] = [];
  const left = new Set(matched);
  const allFolded = nothingLeft(model.graph);
  for (const r of record.layers) {
    const found =
      matched.find((l) => l.base.name === r.base && l.map.name === r.map) ??
      matched.find((l) => l.transformed.name === r.weight);
    if (found) {
      left.delete(found);
      layers.push({ ...found, layer: r.layer, weight: r.weight, record: r });
    } else if (allFolded || isFolded(model.graph, r)) folded.push(r);
    else
      throw new MarkersLostError({
        problem: `${where(model)}layer '${r.layer}' of the training form is not in the graph`,
        expected: `a convolution whose weight '${r.weight}' is computed from '${r.base}' and '${r.map}'`,
        found: 'nothing that reads like it',
        hint: 'another tool has rewritten the file; go back to the training.onnx that was written by this program',
      });
  }
  return { layers: [...layers, ...left], source: 'metadata', folded, irVersion: record.irVersion };
}

/** Writes the description into the model's metadata. */
export function writeForm(model: Model, record: FormRecord): void {
  model.metadata.set(FORM_KEY, JSON.stringify(record));
}

/**
 * SHA-256 of every frozen tensor, by the name its kernel has in the deployed model: the same name, and the same hash,
 * as in the checkpoint. Empty for a plain model.
 */
export function frozenHashes(model: Model): Map<string, string> {
  const hashes = new Map<string, string>();
  for (const layer of readForm(model)?.layers ?? []) {
    const tensor = constantOf(layer.base);
    if (tensor) hashes.set(layer.weight, tensorSha256(tensor));
  }
  return hashes;
}

function readRecord(model: Model): FormRecord | undefined {
  const json = model.metadata.get(FORM_KEY);
  if (json === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new ModelError({ problem: `${where(model)}metadata ${FORM_KEY} is not JSON`, cause });
  }
  const result = formSchema.safeParse(value);
  if (!result.success)
    throw new ModelError({
      problem: `${where(model)}metadata ${FORM_KEY} does not describe a training form`,
      found: result.error.issues
        .slice(0, 3)
        .map((i) => `${i.path.join('.') || '(root)'}: ${i.message}`)
        .join('; '),
      hint: 'it may be of a later version of this program; to go by the graph alone, remove the entry',
    });
  return result.data;
}

/** Convolutions by the value that computes their weight. */
export function computedWeights(graph: Graph): Map<Value, Node[]> {
  const found = new Map<Value, Node[]>();
  for (const node of graph.nodes) {
    const weight = node.opType === 'Conv' && node.domain === '' ? node.inputs[1] : undefined;
    if (!weight?.producer || constantOf(weight)) continue;
    const list = found.get(weight);
    if (list) list.push(node);
    else found.set(weight, [node]);
  }
  return found;
}

function matchLayers(graph: Graph): FormLayer[] {
  const layers: FormLayer[] = [];
  for (const [weight, convs] of computedWeights(graph))
    for (const method of Object.values(METHODS)) {
      const match = method.match(weight, convs);
      if (!match) continue;
      const layer = MARKED.exec(match.base.name)?.[1] ?? MARKED.exec(match.map.name)?.[1];
      layers.push({
        ...match,
        layer: layer ?? weight.name.replace(/\.weight$/, ''),
        weight: weight.name,
        record: undefined,
      });
      break;
    }
  return layers;
}

const MARKED = /^(.+)\/refconv\/(?:base|map)$/;

/** Without a description: every sign of a training form must belong to a layer that was found. */
function refuseLeftovers(model: Model, layers: readonly FormLayer[]): void {
  const known = new Set(layers.flatMap((l) => [...l.frozen, l.map]));
  const hint = 'go back to the training.onnx that was written by this program, or fuse that one';
  for (const value of model.graph.values())
    if (MARKED.test(value.name) && constantOf(value) && !known.has(value))
      throw new MarkersLostError({
        problem: `${where(model)}'${value.name}' belongs to a training form, but its layer cannot be told`,
        found: 'no description in the metadata, and a changed graph around it',
        hint,
      });
  const transformed = new Set(layers.map((l) => l.transformed));
  for (const [weight, convs] of computedWeights(model.graph)) {
    if (transformed.has(weight)) continue;
    const inner = [...(constantRegion(weight)?.nodes ?? [])].find((n) => n.opType === 'Conv');
    if (inner)
      throw new MarkersLostError({
        problem: `${where(model)}the weight of ${convs[0].describe()} is computed by ${inner.describe()}, which looks like a training form, but its base and map cannot be told`,
        hint,
      });
  }
}

/** No computed kernel and no marked constant anywhere: an optimizer folded all of it, whatever it calls the kernels now. */
function nothingLeft(graph: Graph): boolean {
  for (const value of graph.values()) if (MARKED.test(value.name)) return false;
  for (const weight of computedWeights(graph).keys()) if (constantRegion(weight)) return false;
  return true;
}

/** Whether the kernel has become a plain constant of the same shape under its old name. */
function isFolded(graph: Graph, record: LayerRecord): boolean {
  return graph.nodes.some((n) => {
    const weight = n.opType === 'Conv' ? n.inputs[1] : undefined;
    const dims = weight && constantOf(weight)?.dims;
    return weight?.name === record.weight && dims?.join() === record.dims.join();
  });
}

/** `file: ` for messages. */
export function where(model: Model): string {
  return model.source === undefined ? '' : `${model.source}: `;
}
