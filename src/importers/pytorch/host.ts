/**
 * The Python names that a state dict needs, and what each means here. Everything else is refused by name: a pickle may name
 * any function, and calling it is how a pickle runs code.
 */
import { UnsupportedError } from '../../base/errors.js';
import type { DataType } from '../../onnx/index.js';
import { isKind, PickleError, type PickleHost, type PickleValue } from './pickle.js';

/** A run of elements kept beside the pickle; several tensors may be views of one. */
export interface Storage {
  readonly kind: 'storage';
  readonly key: string;
  readonly dataType: DataType;
  /** Elements. */
  readonly size: number;
  /** First element of this view, in files written before PyTorch 0.4. */
  readonly offset: number;
}

/** A tensor as a strided view of a storage; its elements are not read yet. */
export interface StridedTensor {
  readonly kind: 'tensor';
  readonly storage: Storage;
  /** In elements, as the strides. */
  readonly offset: number;
  readonly dims: readonly number[];
  readonly strides: readonly number[];
}

export type TorchObject = Storage | StridedTensor;
export type TorchValue = PickleValue<TorchObject>;

const STORAGES: Readonly<Record<string, DataType>> = {
  'torch.FloatStorage': 'float32',
  'torch.DoubleStorage': 'float64',
  'torch.HalfStorage': 'float16',
  'torch.BFloat16Storage': 'bfloat16',
  'torch.LongStorage': 'int64',
  'torch.IntStorage': 'int32',
  'torch.ShortStorage': 'int16',
  'torch.CharStorage': 'int8',
  'torch.ByteStorage': 'uint8',
  'torch.BoolStorage': 'bool',
};

const CALLS: Readonly<Record<string, (args: readonly TorchValue[]) => TorchValue>> = {
  'collections.OrderedDict': orderedDict,
  'torch._utils._rebuild_tensor': rebuildTensor,
  'torch._utils._rebuild_tensor_v2': rebuildTensor,
  'torch._utils._rebuild_parameter': (args) => args[0] ?? null,
  'torch.Size': ([list]) => ({ kind: 'tuple', items: isKind(list, 'list') ? list.items : [] }),
};

export interface TorchHost extends PickleHost<TorchObject> {
  /** Every storage that was named, by key. */
  readonly storages: ReadonlyMap<string, Storage>;
}

/** @param path the file, for the errors */
export function torchHost(path: string): TorchHost {
  const storages = new Map<string, Storage>();
  return {
    storages,
    global: (name) => {
      if (Object.hasOwn(STORAGES, name) || Object.hasOwn(CALLS, name)) return;
      throw new UnsupportedError({
        problem: `${path} needs Python code to be read`,
        expected: 'a state dict: names and tensors only',
        found: `an object of ${name}, which is never run`,
        hint: "if you trust the file, save its weights alone in Python: torch.save(model.state_dict(), 'weights.pth')",
      });
    },
    call: (name, args) => {
      if (!Object.hasOwn(CALLS, name)) throw new PickleError(`a call of ${name}`);
      return CALLS[name](args);
    },
    persistent: (id) => {
      const value = storage(id);
      storages.set(value.key, value);
      return { kind: 'hosted', value };
    },
  };
}

/** `OrderedDict()` or `OrderedDict([(key, value), …])` */
function orderedDict([pairs]: readonly TorchValue[]): TorchValue {
  const entries = new Map<TorchValue, TorchValue>();
  if (isKind(pairs, 'list'))
    for (const pair of pairs.items) {
      if (!isSequence(pair) || pair.items.length !== 2)
        throw new PickleError('an OrderedDict of what are no pairs');
      entries.set(pair.items[0], pair.items[1]);
    }
  return { kind: 'map', entries };
}

/** `(storage, offset, size, stride, …)`: whether it wants a gradient does not matter here. */
function rebuildTensor([source, offset, size, stride]: readonly TorchValue[]): TorchValue {
  const dims = counts(size);
  const strides = counts(stride);
  if (!isKind(source, 'hosted') || source.value.kind !== 'storage' || !isCount(offset) || !dims || !strides)
    throw new PickleError('a tensor without storage, offset, size and stride');
  if (dims.length !== strides.length)
    throw new PickleError(`a tensor of ${dims.length} dims with ${strides.length} strides`);
  const { value } = source;
  return {
    kind: 'hosted',
    value: { kind: 'tensor', storage: value, offset: value.offset + offset, dims, strides },
  };
}

/** `('storage', type, key, location, elements[, view])`; a view is `(key, first element, elements)`. */
function storage(id: TorchValue): Storage {
  const broken = new PickleError('a storage that is not described as torch.save does');
  if (!isKind(id, 'tuple')) throw broken;
  const [tag, type, key, , size, view] = id.items;
  if (tag !== 'storage' || !isKind(type, 'global') || typeof key !== 'string' || !isCount(size)) throw broken;
  const dataType = Object.hasOwn(STORAGES, type.name) ? STORAGES[type.name] : undefined;
  if (dataType === undefined) throw broken;
  const from = isKind(view, 'tuple') ? view.items[1] : 0;
  if (!isCount(from)) throw broken;
  return { kind: 'storage', key, dataType, size, offset: from };
}

function isSequence(value: TorchValue): value is Extract<TorchValue, { readonly items: unknown }> {
  return isKind(value, 'list') || isKind(value, 'tuple');
}

function counts(value: TorchValue | undefined): number[] | undefined {
  if (value === undefined || !isSequence(value)) return undefined;
  const numbers: number[] = [];
  for (const item of value.items) {
    if (!isCount(item)) return undefined;
    numbers.push(item);
  }
  return numbers;
}

function isCount(value: TorchValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
