import { ModelError } from '../../base/errors.js';

const ascii = (text: string): number[] => [...text].map((c) => c.charCodeAt(0));

/** First bytes of files that are often given in place of a model; none of them can begin a ModelProto. */
const KNOWN: readonly {
  readonly at?: number;
  readonly magic: readonly number[];
  readonly what: string;
  readonly hint: string;
}[] = [
  {
    magic: ascii('version https://git-lfs'),
    what: 'a Git LFS pointer, not the model itself',
    hint: 'fetch the file with git lfs pull',
  },
  { magic: [0x1f, 0x8b], what: 'gzip-compressed', hint: 'unpack it with gunzip' },
  {
    magic: [...ascii('PK'), 3, 4],
    what: 'a zip archive',
    hint: 'unpack it; a PyTorch (.pt, .pth) or Keras (.keras) file has to be exported to ONNX',
  },
  {
    // A pickle (protocol 2) of torch's magic number, which torch.save wrote before version 1.6.
    magic: [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9],
    what: 'a PyTorch checkpoint',
    hint: 'weights alone are no graph: export the network with them to ONNX, for example with torch.onnx',
  },
  { magic: [0x89, ...ascii('PNG')], what: 'a PNG image', hint: 'give the model, not a picture of it' },
  { magic: [0xff, 0xd8, 0xff], what: 'a JPEG image', hint: 'give the model, not a picture of it' },
  {
    magic: [0x89, ...ascii('HDF')],
    what: 'an HDF5 file',
    hint: 'convert a Keras model to ONNX first, for example with tf2onnx',
  },
  { at: 4, magic: ascii('TFL3'), what: 'a TensorFlow Lite model', hint: 'give the ONNX model' },
  {
    at: 4,
    magic: ascii('ORTM'),
    what: 'an ONNX Runtime .ort model',
    hint: 'give the ONNX model it was made from',
  },
  {
    at: 8,
    magic: ascii('{"'),
    what: 'a safetensors file',
    hint: 'weights alone are no graph: export the network with them to ONNX, for example with torch.onnx',
  },
];

/**
 * Refuses what is certainly something else, in words that say what it is.
 * @throws ModelError
 */
export function refuseOtherFormats(bytes: Uint8Array, source: string): void {
  if (bytes.byteLength === 0)
    throw new ModelError({ problem: `${source} is empty`, expected: 'an ONNX model', found: '0 bytes' });
  for (const { at = 0, magic, what, hint } of KNOWN)
    if (magic.every((b, i) => bytes[at + i] === b))
      throw new ModelError({ problem: `${source} is ${what}`, expected: 'an ONNX model', hint });
  const text = new TextDecoder().decode(bytes.subarray(0, 256)).trimStart().toLowerCase();
  if (text.startsWith('<!doctype') || text.startsWith('<html') || text.startsWith('<?xml'))
    throw new ModelError({
      problem: `${source} is a web page (HTML or XML)`,
      expected: 'an ONNX model',
      hint: 'the download went wrong: open its address in a browser, or fetch the raw file',
    });
  if (/^[{[]\s*["{[\]}\d]/.test(text))
    throw new ModelError({
      problem: `${source} is JSON text`,
      expected: 'an ONNX model in protobuf form',
      hint: 'export it again in the binary form; a TensorFlow.js model has to be converted to ONNX',
    });
}
