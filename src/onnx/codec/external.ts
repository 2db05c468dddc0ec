import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { isAbsolute, join, sep } from 'node:path';
import { ModelError } from '../../base/errors.js';
import { fileError } from '../../base/files.js';

/** Closes descriptors of files that no tensor refers to any more. */
const open = new FinalizationRegistry((fd: number) => closeSync(fd));

/**
 * A data file beside a model. It is opened once and stays open, so that tensors not read yet keep their bytes when the
 * file is replaced by a rename (saving a model over itself).
 */
export class ExternalFile {
  readonly path: string;
  readonly size: number;
  readonly #fd: number;

  constructor(path: string) {
    this.path = path;
    // Opening a pipe would wait for a writer; following a link at this point could leave the folder.
    this.#fd = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
    this.size = fstatSync(this.#fd).size;
    open.register(this, this.#fd);
  }

  /** @throws ModelError when the file became shorter since the model was loaded */
  read(offset: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const n = readSync(this.#fd, out, done, Math.min(length - done, 1 << 30), offset + done);
      if (n === 0)
        throw new ModelError({
          problem: `external data ${this.path} became shorter while the model was in use`,
          expected: `${offset + length} bytes`,
          found: `${offset + done}`,
        });
      done += n;
    }
    return out;
  }
}

/** The external data files of one model: each opened once, all inside the model's folder. */
export class ExternalFolder {
  readonly #files = new Map<string, ExternalFile>();
  readonly #folder: string | undefined;

  constructor(folder: string | undefined) {
    this.#folder = folder;
  }

  /**
   * @param location the path in the model file: relative, with forward slashes, inside the model's folder
   * @param where names the tensor in errors
   */
  open(location: string, where: string): ExternalFile {
    const known = this.#files.get(location);
    if (known) return known;
    const refused = refusal(location);
    if (refused !== undefined)
      throw new ModelError({
        problem: `${where}: external data location '${location}' ${refused}`,
        expected: "a relative path inside the model's folder",
      });
    if (this.#folder === undefined)
      throw new ModelError({
        problem: `${where}: its data is in the external file '${location}', but the model came without a folder`,
        hint: 'load the model from its file',
      });
    const path = join(this.#folder, location);
    let real: string;
    try {
      const folder = realpathSync(this.#folder);
      real = realpathSync(path);
      if (real !== folder && !real.startsWith(folder.endsWith(sep) ? folder : folder + sep))
        throw new ModelError({
          problem: `${where}: external data '${location}' is a link that leaves the model's folder`,
          found: real,
          hint: 'copy the data file beside the model',
        });
      if (!lstatSync(real).isFile())
        throw new ModelError({ problem: `${where}: external data '${location}' is not a regular file` });
      const file = new ExternalFile(real);
      this.#files.set(location, file);
      return file;
    } catch (cause) {
      if (cause instanceof ModelError) throw cause;
      throw fileError(path, `${where}: reading external data`, cause);
    }
  }
}

function refusal(location: string): string | undefined {
  if (location === '') return 'is empty';
  if (location.includes('\0')) return 'holds a zero byte';
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(location)) return 'is a URL';
  if (/^[a-z]:/i.test(location)) return 'names a drive';
  if (location.includes('\\')) return 'has a backslash';
  if (isAbsolute(location) || location.startsWith('/')) return 'is absolute';
  if (location.split('/').includes('..')) return "leaves the model's folder (..)";
  return undefined;
}
