import { dirname } from 'node:path';
import { ModelError } from '../../base/errors.js';
import { readRegularFile } from '../../base/files.js';
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

function readBytes(path: string): Promise<Uint8Array> {
  return readRegularFile(path, {
    expected: 'an .onnx file',
    check: (size) => {
      if (size > MAX_FILE)
        throw new ModelError({
          problem: `${path} is too large for a single protobuf message`,
          expected: 'less than 2 GiB',
          found: `${size} bytes`,
          hint: 'save the model with external data',
        });
    },
  });
}
