import { InputError } from '../base/errors.js';
import { ascii, foreignFile, type Magic } from '../base/foreign.js';

const KNOWN: readonly Magic[] = [
  {
    at: 4,
    magic: ascii('TFL3'),
    what: 'a TensorFlow Lite model',
    hint: 'give the Keras model it was made from',
  },
  {
    // A pickle that torch.save did not begin: numpy, joblib, or a list of arrays.
    magic: [0x80],
    what: 'a Python pickle, but not of torch.save',
    hint: 'pickles can run code when they are read: save the weights as safetensors',
  },
];

/** Refuses what does not look like safetensors, and says what it is where that can be told. @throws InputError */
export function refuseOther(bytes: Uint8Array, path: string): void {
  const expected = 'safetensors, PyTorch (.pt, .pth) or Keras (.h5, .weights.h5, .keras)';
  if (bytes.byteLength === 0)
    throw new InputError({ problem: `${path} is empty`, expected, found: '0 bytes' });
  // The first 8 bytes of safetensors are a length, whose lowest byte may be any; then comes the header.
  if (bytes[8] === ascii('{')[0] || path.endsWith('.safetensors')) return;
  const foreign = foreignFile(bytes, KNOWN);
  if (foreign) throw new InputError({ problem: `${path} is ${foreign.what}`, expected, hint: foreign.hint });
  throw new InputError({ problem: `${path} is no known kind of file`, expected });
}
