import { InputError } from '../base/errors.js';
import { readRegularFile } from '../base/files.js';
import type { Tensor } from '../onnx/index.js';
import { decodeKerasArchive, isKerasArchive } from './keras/archive.js';
import { h5LayersGroup, readH5Weights } from './keras/h5.js';
import { type Hdf5, isHdf5, withHdf5 } from './keras/hdf5.js';
import { isKeras3Weights, readKeras3Weights } from './keras/keras3.js';
import { decodeLegacyTorch, isLegacyTorch } from './pytorch/legacy.js';
import { decodeTorchZip, isTorchZip } from './pytorch/zip.js';
import { decodeSafetensors } from './safetensors.js';
import { refuseOther } from './sniff.js';
import { ZipArchive } from './zip.js';

export type WeightFormat = 'safetensors' | 'pytorch' | 'keras-h5' | 'keras';

/** Named tensors, in the order of the file, with the layout and names of the framework that wrote it. */
export interface WeightFile {
  readonly path: string;
  readonly format: WeightFormat;
  /** PyTorch and safetensors: `layer1.0.conv1.weight`, OIHW. Keras: `conv1/kernel`, HWIO. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/**
 * Reads a file of weights: safetensors, PyTorch's .pt and .pth (both its formats), Keras's .h5, .weights.h5 and .keras. The
 * format is told from the content, not from the name. Nothing in a file is run, no other file is opened, and no more memory
 * taken than the file's size allows.
 * @throws InputError when the file is damaged or something else, UnsupportedError when it needs more than its tensors
 */
export async function readWeights(path: string): Promise<WeightFile> {
  const file = (format: WeightFormat, tensors: ReadonlyMap<string, Tensor>): WeightFile => {
    if (tensors.size > 0) return { path, format, tensors };
    throw new InputError({ problem: `${path} holds no weights` });
  };
  const expected = 'a file of weights';
  if (isZip(await readRegularFile(path, { expected, first: 4 }))) {
    const archive = await ZipArchive.open(path);
    try {
      if (isTorchZip(archive)) return file('pytorch', await decodeTorchZip(archive));
      if (isKerasArchive(archive)) return file('keras', await decodeKerasArchive(archive));
      throw new InputError({
        problem: `${path} is a zip archive, but not of PyTorch or Keras`,
        expected: 'data.pkl in a folder, or config.json and model.weights.h5',
        found: archive.names.slice(0, 6).join(', ') || 'nothing in it',
      });
    } finally {
      archive.close();
    }
  }
  const bytes = await readRegularFile(path, { expected });
  if (isLegacyTorch(bytes)) return file('pytorch', decodeLegacyTorch(bytes, path));
  if (isHdf5(bytes)) return file('keras-h5', await withHdf5(bytes, path, readHdf5Weights));
  refuseOther(bytes, path);
  return file('safetensors', decodeSafetensors(bytes, path).tensors);
}

function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] === 3 || bytes[2] === 5);
}

function readHdf5Weights(file: Hdf5): Map<string, Tensor> {
  const group = h5LayersGroup(file);
  if (group !== undefined) return readH5Weights(file, group);
  if (isKeras3Weights(file)) return readKeras3Weights(file, undefined);
  throw new InputError({
    problem: `${file.path} is an HDF5 file, but not of Keras`,
    expected: 'layer_names, or a group layers',
    found: file.children('').slice(0, 6).join(', ') || 'nothing in it',
  });
}
