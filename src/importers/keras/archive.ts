/** `.keras`: a zip archive with `config.json` (the layers) and `model.weights.h5`. */
import { InputError } from '../../base/errors.js';
import type { Tensor } from '../../onnx/index.js';
import type { ZipArchive } from '../zip.js';
import { parseConfig } from './config.js';
import { withHdf5 } from './hdf5.js';
import { isKeras3Weights, readKeras3Weights } from './keras3.js';

const WEIGHTS = 'model.weights.h5';
/** The configuration of the largest network of Keras has less than a megabyte. */
const MAX_CONFIG = 16 << 20;

export function isKerasArchive(archive: ZipArchive): boolean {
  return archive.names.includes(WEIGHTS) || archive.names.includes('config.json');
}

/** @throws InputError when a member is missing or damaged; UnsupportedError for layers that are Python code */
export async function decodeKerasArchive(archive: ZipArchive): Promise<Map<string, Tensor>> {
  const { path } = archive;
  const config = await archive.read('config.json', { most: MAX_CONFIG, checked: true });
  if (!config) throw missing(path, 'config.json');
  const layers = parseConfig(new TextDecoder().decode(config), path);
  const weights = await archive.read(WEIGHTS, { checked: true });
  if (!weights) throw missing(path, WEIGHTS);
  return withHdf5(weights, `${path}/${WEIGHTS}`, (file) => {
    if (!isKeras3Weights(file)) throw missing(path, 'layers in model.weights.h5');
    return readKeras3Weights(file, layers);
  });
}

function missing(path: string, what: string): InputError {
  return new InputError({
    problem: `${path} is no Keras model`,
    expected: `a zip archive with config.json and ${WEIGHTS}`,
    found: `no ${what}`,
  });
}
