import { UsageError } from '../../base/errors.js';
import { randomFor } from '../../base/random.js';
import { type DataType, type Dim, type Model, sizeOf, Tensor, type Value } from '../../onnx/index.js';
import { fromFloat64, isFloatType } from '../numbers.js';

export type Feeds = ReadonlyMap<string, Tensor>;

export interface RandomInputs {
  /** Samples in all; rounded up to whole batches. */
  readonly samples: number;
  readonly seed: number;
  /** Dims of inputs whose type leaves more open than the batch, by name. */
  readonly inputShapes: Readonly<Record<string, readonly number[]>>;
}

/** Samples in one run, where the model does not say. */
const BATCH = 4;

/** Seeded inputs of the declared types and dims: unit normal where they are floating point. */
export function* randomBatches(a: Model, b: Model, options: RandomInputs): Generator<Feeds> {
  const pairs = a.graph.requiredInputs.map((input) => ({
    input,
    other: b.graph.requiredInputs.find((v) => v.name === input.name),
  }));
  const batch = Math.min(BATCH, Math.max(1, options.samples));
  for (let done = 0, index = 0; done < options.samples; index++) {
    const feeds = new Map<string, Tensor>();
    let samples = 1;
    for (const { input, other } of pairs) {
      const dims = options.inputShapes[input.name] ?? dimsOf(input, other, batch);
      feeds.set(input.name, randomTensor(input, dims, options.seed, index));
      if (dims.length > 0) samples = Math.max(samples, dims[0]);
    }
    done += samples;
    yield feeds;
  }
}

/** A number from either model; an open first axis is the batch. @throws UsageError when another axis is open */
function dimsOf(input: Value, other: Value | undefined, batch: number): readonly number[] {
  const mine = shapeOf(input);
  const theirs = other && shapeOf(other);
  return (mine ?? theirs ?? unknown(input)).map((d, i) => {
    if (typeof d === 'number') return d;
    const o = theirs?.[i];
    if (typeof o === 'number') return o;
    return i === 0 ? batch : unknown(input);
  });
}

function shapeOf(value: Value): readonly Dim[] | undefined {
  return value.type?.kind === 'tensor' ? value.type.shape : undefined;
}

function unknown(input: Value): never {
  const shape = shapeOf(input);
  throw new UsageError({
    problem: `input '${input.name}' has no fixed shape to make random inputs for`,
    found: shape ? `[${shape.map((d) => d ?? '?').join(', ')}]` : 'no shape at all',
    hint: 'give the shape of this input, or real data to compare on',
  });
}

function randomTensor(input: Value, dims: readonly number[], seed: number, index: number): Tensor {
  const type = input.type?.kind === 'tensor' ? input.type.dataType : 'float32';
  const random = randomFor(seed, 'verify', input.name, index);
  const count = sizeOf(dims);
  if (isFloatType(type))
    return fromFloat64(
      type,
      dims,
      Float64Array.from({ length: count }, () => random.normal()),
    );
  return integers(type, dims, count, (n) => random.int(n), input);
}

function integers(
  type: DataType,
  dims: readonly number[],
  count: number,
  draw: (n: number) => number,
  input: Value,
): Tensor {
  const list = (n: number): number[] => Array.from({ length: count }, () => draw(n));
  if (type === 'uint8') return Tensor.uint8(dims, Uint8Array.from(list(256)));
  if (type === 'int64') return Tensor.int64(dims, list(2));
  if (type === 'int32') return Tensor.int32(dims, list(2));
  if (type === 'bool')
    return Tensor.bool(
      dims,
      list(2).map((v) => v === 1),
    );
  throw new UsageError({
    problem: `no random inputs are made for input '${input.name}' of type ${type}`,
    hint: 'give real data to compare on',
  });
}

/** Number of samples a batch holds: the first axis of its first input. */
export function samplesOf(feeds: Feeds): number {
  const [first] = feeds.values();
  return first?.dims[0] ?? 1;
}

/** Whether every input has an open first axis, so that samples may run alone. */
export function hasOpenBatch(model: Model): boolean {
  return model.graph.requiredInputs.every((v) => {
    const first = shapeOf(v)?.[0];
    return first !== undefined && typeof first !== 'number';
  });
}

/** One sample of a batch; inputs along the first axis. */
export function oneSample(feeds: Feeds, index: number): Feeds {
  const samples = samplesOf(feeds);
  const cut = new Map<string, Tensor>();
  for (const [name, tensor] of feeds) {
    if (tensor.dims[0] !== samples) return feeds;
    const bytes = tensor.bytes();
    const per = bytes.byteLength / samples;
    if (!Number.isInteger(per)) return feeds;
    cut.set(
      name,
      Tensor.raw(tensor.dataType, [1, ...tensor.dims.slice(1)], bytes.slice(index * per, (index + 1) * per)),
    );
  }
  return cut;
}
