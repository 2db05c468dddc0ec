import { basename, dirname, join } from 'node:path';
import { discard } from '../../base/discard.js';
import { ModelError } from '../../base/errors.js';
import { writeFileAtomic } from '../../base/files.js';
import { byteSize } from '../ir/dtype.js';
import type { Model } from '../ir/model.js';
import type { Tensor } from '../ir/tensor.js';
import { encodeChunks, MAX_FILE } from './encode.js';
import type { Placement } from './encode-tensor.js';
import { allGraphs } from './names.js';

export interface SaveOptions {
  /**
   * `auto`: inside the file, unless it would reach 2 GiB; `always`: initializers of at least `externalThreshold` bytes
   * outside; `never`: all inside, an error at 2 GiB; `keep`: outside what was outside when the model was read.
   * Default: auto. External data goes to one file, `<name>.data`, beside the model.
   */
  readonly externalData?: 'auto' | 'always' | 'never' | 'keep';
  /** Bytes; smaller tensors stay inside with `always` and `auto`. Default: 1024. */
  readonly externalThreshold?: number;
}

/** Large tensors begin at a page of memory, so that a runtime can map them. */
const PAGE = 4096;
const LARGE = 1 << 16;
const SMALL_ALIGNMENT = 64;

/**
 * Writes a model, whole or not at all: external data first, the model last. Names are made unique (see encodeModel).
 * @throws ModelError when the model cannot be written, EnvironmentError when the disk is full or not writable
 */
export async function saveModel(model: Model, path: string, options: SaveOptions = {}): Promise<void> {
  const { externalData = 'auto' } = options;
  const location = `${basename(path)}.data`;
  let places = planExternal(model, location, options);
  let encoded = encodeChunks(model, (t) => places.get(t));
  if (encoded.total > MAX_FILE && externalData !== 'never') {
    // Tensors alone would have fitted, but not with what describes them.
    places = planExternal(model, location, options, 0);
    encoded = encodeChunks(model, (t) => places.get(t));
  }
  if (encoded.total > MAX_FILE)
    throw new ModelError({
      problem: `${path} would take ${encoded.total} bytes`,
      expected: 'less than 2 GiB for a single protobuf message',
      hint:
        externalData === 'never' ? "save it with externalData 'auto' or 'always'" : 'lower externalThreshold',
    });
  if (places.size > 0) await writeFileAtomic(join(dirname(path), location), dataChunks(places));
  await writeFileAtomic(path, encoded.chunks);
}

/**
 * Which tensors go to the data file, and where in it.
 * @param limit bytes of tensors from which on `auto` and `keep` move all that reach the threshold
 */
export function planExternal(
  model: Model,
  location: string,
  { externalData = 'auto', externalThreshold = 1024 }: SaveOptions,
  limit = MAX_FILE,
): Map<Tensor, Placement> {
  const large = (t: Tensor): boolean => sizeOf(t) >= externalThreshold;
  const wanted = {
    auto: () => false,
    never: () => false,
    always: large,
    keep: (t: Tensor): boolean => t.storage.kind === 'external',
  }[externalData];
  const tensors = [...tensorsOf(model, externalData === 'keep')];
  const outside = new Set(tensors.filter((t) => movable(t) && wanted(t)));
  const inside = tensors.reduce((n, t) => n + (outside.has(t) ? 0 : sizeOf(t)), 0);
  if (inside >= limit && externalData !== 'never')
    for (const t of tensors) if (movable(t) && large(t)) outside.add(t);
  return layOut(outside, location);
}

function sizeOf(tensor: Tensor): number {
  return tensor.dataType === 'string' ? 0 : byteSize(tensor.dataType, tensor.size);
}

/** Strings cannot be external, sparse tensors are written as they came, and nothing of nothing needs no file. */
function movable(tensor: Tensor): boolean {
  const { kind } = tensor.storage;
  return kind !== 'strings' && kind !== 'sparse' && sizeOf(tensor) > 0;
}

/** Initializers of every graph; attribute tensors too where asked. */
function* tensorsOf(model: Model, attributes: boolean): Generator<Tensor> {
  for (const graph of allGraphs(model.graph)) {
    for (const v of graph.initializers) if (v.initializer) yield v.initializer;
    if (!attributes) continue;
    for (const node of graph.nodes)
      for (const a of node.attributes.values()) {
        if (a.type === 'tensor') yield a.value;
        if (a.type === 'tensors') yield* a.value;
      }
  }
}

function layOut(tensors: ReadonlySet<Tensor>, location: string): Map<Tensor, Placement> {
  const places = new Map<Tensor, Placement>();
  let end = 0;
  for (const tensor of tensors) {
    const length = sizeOf(tensor);
    const alignment = length >= LARGE ? PAGE : SMALL_ALIGNMENT;
    const offset = Math.ceil(end / alignment) * alignment;
    places.set(tensor, { location, offset, length });
    end = offset + length;
  }
  return places;
}

/** The data file, one tensor in memory at a time: a chunk may be gone when the next one is asked for. */
function* dataChunks(places: ReadonlyMap<Tensor, Placement>): Generator<Uint8Array> {
  let end = 0;
  for (const [tensor, { offset, length }] of places) {
    if (offset > end) yield new Uint8Array(offset - end);
    const bytes = tensor.bytes();
    yield bytes;
    const { storage } = tensor;
    if (storage.kind === 'made' && storage.fresh && bytes.buffer instanceof ArrayBuffer)
      discard(bytes.buffer);
    end = offset + length;
  }
}
