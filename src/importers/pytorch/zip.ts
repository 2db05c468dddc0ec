/**
 * What `torch.save` writes since version 1.6: a zip archive with the pickle in `NAME/data.pkl` and each storage, little-
 * endian, in `NAME/data/KEY`, not compressed.
 */
import { UnsupportedError } from '../../base/errors.js';
import type { Tensor } from '../../onnx/index.js';
import type { ZipArchive } from '../zip.js';
import { Elements } from './elements.js';
import { asInputError } from './errors.js';
import { type StridedTensor, torchHost } from './host.js';
import { PickleError, unpickle } from './pickle.js';
import { findStateDict } from './state-dict.js';

const PICKLE = /^([^/]+\/)data\.pkl$/;

export function isTorchZip(archive: ZipArchive): boolean {
  return archive.names.some((name) => PICKLE.test(name));
}

/** The named tensors of an archive. @throws InputError for a damaged one, UnsupportedError for what is no state dict */
export async function decodeTorchZip(archive: ZipArchive): Promise<Map<string, Tensor>> {
  const { path, names } = archive;
  const prefixes = names.map((name) => PICKLE.exec(name)?.[1]).filter((p) => p !== undefined);
  const [prefix] = prefixes;
  if (names.includes(`${prefix}constants.pkl`))
    throw new UnsupportedError({
      problem: `${path} is a TorchScript program`,
      expected: 'a state dict: names and tensors only',
      hint: "save its weights alone in Python: torch.save(torch.jit.load(FILE).state_dict(), 'weights.pth')",
    });
  const order = await archive.read(`${prefix}byteorder`, { most: 16, checked: false });
  if (order && new TextDecoder().decode(order).trim() !== 'little')
    throw new UnsupportedError({
      problem: `${path} was written on a big-endian machine`,
      hint: 'load and save it again in Python on another machine',
    });
  const pickle = await archive.read(`${prefix}data.pkl`, { checked: false });
  const host = torchHost(path);
  const views = asInputError(path, () => {
    if (prefixes.length > 1 || !pickle) throw new PickleError(`${prefixes.length} pickles`);
    const { value, end } = unpickle(pickle, 0, host);
    if (end !== pickle.byteLength) throw new PickleError(`${pickle.byteLength - end} bytes after the pickle`);
    return findStateDict(value, path);
  });
  const storages = await readStorages(archive, `${prefix}data/`, views);
  let held = 0;
  for (const bytes of storages.values()) held += bytes.byteLength;
  return asInputError(path, () => new Elements(storages, held).tensors(views));
}

/** Only what the views need: an optimizer's state beside them may be twice as large. */
async function readStorages(
  archive: ZipArchive,
  folder: string,
  views: ReadonlyMap<string, StridedTensor>,
): Promise<Map<string, Uint8Array>> {
  const storages = new Map<string, Uint8Array>();
  for (const { storage } of views.values()) {
    if (storages.has(storage.key)) continue;
    const bytes = await archive.read(folder + storage.key, { checked: false });
    if (bytes) storages.set(storage.key, bytes);
  }
  return storages;
}
