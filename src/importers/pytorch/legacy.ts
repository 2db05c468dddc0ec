/**
 * What `torch.save` wrote before version 1.6: pickles one after another (magic number, protocol version, facts about the
 * machine, the object, the keys of its storages), then each storage as a count (int64) and its elements.
 */
import { UnsupportedError } from '../../base/errors.js';
import { byteSize, type Tensor } from '../../onnx/index.js';
import { Elements } from './elements.js';
import { asInputError } from './errors.js';
import { type Storage, type TorchValue, torchHost } from './host.js';
import { isKind, PickleError, unpickle } from './pickle.js';
import { findStateDict } from './state-dict.js';

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;

/** A pickle (protocol 2) of the magic number. */
const FIRST_BYTES = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9] as const;

export function isLegacyTorch(bytes: Uint8Array): boolean {
  return FIRST_BYTES.every((b, i) => bytes[i] === b);
}

/** The named tensors of a file. @throws InputError for a damaged one, UnsupportedError for what is no state dict */
export function decodeLegacyTorch(bytes: Uint8Array, path: string): Map<string, Tensor> {
  const host = torchHost(path);
  let at = 0;
  const next = (): TorchValue => {
    const { value, end } = unpickle(bytes, at, host);
    at = end;
    return value;
  };
  return asInputError(path, () => {
    if (next() !== MAGIC) throw new PickleError('another magic number');
    const protocol = next();
    if (protocol !== PROTOCOL) throw new PickleError(`protocol version ${String(protocol)}, not ${PROTOCOL}`);
    checkMachine(next(), path);
    const views = findStateDict(next(), path);
    const keys = next();
    const elements = new Elements(storagesAt(bytes, at, keys, host.storages), bytes.byteLength);
    return elements.tensors(views);
  });
}

/** The storages that follow the list of their keys, in its order. */
function storagesAt(
  bytes: Uint8Array,
  start: number,
  keys: TorchValue,
  known: ReadonlyMap<string, Storage>,
): Map<string, Uint8Array> {
  if (!isKind(keys, 'list')) throw new PickleError('no list of storages');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const storages = new Map<string, Uint8Array>();
  let at = start;
  for (const key of keys.items) {
    const storage = typeof key === 'string' ? known.get(key) : undefined;
    if (!storage || storages.has(storage.key)) throw new PickleError('a storage that no tensor names');
    if (at + 8 > bytes.byteLength) throw new PickleError(`storage ${storage.key}, past the end`);
    const count = view.getBigInt64(at, true);
    const length = byteSize(storage.dataType, storage.size);
    if (count !== BigInt(storage.size) || at + 8 + length > bytes.byteLength)
      throw new PickleError(
        `storage ${storage.key} of ${count} elements, ${storage.size} declared, ${bytes.byteLength - at - 8} bytes left`,
      );
    storages.set(storage.key, bytes.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return storages;
}

function checkMachine(facts: TorchValue, path: string): void {
  if (!isKind(facts, 'map') || facts.entries.get('little_endian') === true) return;
  throw new UnsupportedError({
    problem: `${path} was written on a big-endian machine`,
    hint: 'load and save it again in Python on another machine',
  });
}
