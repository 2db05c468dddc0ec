import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { InputError, ModelError } from '../../base/errors.js';
import { fileError } from '../../base/files.js';
import type { Model } from '../ir/model.js';
import { verifyModel } from '../verify.js';
import { decodeModel } from './decode.js';
import { MAX_FILE } from './encode.js';
import { allGraphs } from './names.js';

/**
 * Reads and verifies an .onnx file. Weights are views of the file's bytes; external data is checked for place and size,
 * and read when it is first needed. Nodes that are out of order are sorted.
 * @throws ModelError when it is no valid model, InputError when there is no such file, EnvironmentError when it cannot be read
 */
export async function loadModel(path: string): Promise<Model> {
  const model = decodeModel(await readBytes(path), { source: path, folder: dirname(path) });
  sort(model, path);
  verifyModel(model);
  return model;
}

function sort(model: Model, path: string): void {
  try {
    for (const graph of allGraphs(model.graph)) graph.sort();
  } catch (cause) {
    if (!(cause instanceof ModelError)) throw cause;
    throw new ModelError({ ...cause.facts, problem: `${path}: ${cause.facts.problem}`, cause });
  }
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    const file = await open(path, 'r');
    try {
      const info = await file.stat();
      if (info.isDirectory())
        throw new InputError({
          problem: `reading ${path}: it is a folder, not a file`,
          expected: 'an .onnx file',
        });
      if (!info.isFile()) throw new InputError({ problem: `reading ${path}: it is not a regular file` });
      if (info.size > MAX_FILE)
        throw new ModelError({
          problem: `${path} is too large for a single protobuf message`,
          expected: 'less than 2 GiB',
          found: `${info.size} bytes`,
          hint: 'save the model with external data',
        });
      const bytes = new Uint8Array(info.size);
      let at = 0;
      while (at < bytes.byteLength) {
        const { bytesRead } = await file.read(bytes, at, Math.min(bytes.byteLength - at, 1 << 30), at);
        if (bytesRead === 0) break;
        at += bytesRead;
      }
      return bytes.subarray(0, at);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    throw fileError(path, 'reading', cause);
  }
}
