import { ModelError } from '../../base/errors.js';
import { ascii, foreignFile, type Magic } from '../../base/foreign.js';

const WEIGHTS_HINT =
  'weights alone are no graph: reparam zoo build NAME --weights FILE fills a network of the zoo with them; export any other to ONNX';

/** First bytes of files that are often given in place of a model; none of them can begin a ModelProto. */
const KNOWN: readonly Magic[] = [
  {
    magic: [...ascii('PK'), 3, 4],
    what: 'a zip archive',
    hint: 'unpack it; a PyTorch (.pt, .pth) or Keras (.keras) file has to be exported to ONNX, or fills a network of the zoo: reparam zoo build NAME --weights FILE',
  },
  {
    // A pickle (protocol 2) of torch's magic number, which torch.save wrote before version 1.6.
    magic: [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9],
    what: 'a PyTorch checkpoint',
    hint: WEIGHTS_HINT,
  },
  {
    magic: [0x89, ...ascii('HDF')],
    what: 'an HDF5 file',
    hint: 'convert a Keras model to ONNX first, for example with tf2onnx; reparam zoo build NAME --weights FILE fills a network of the zoo with it',
  },
  { at: 4, magic: ascii('TFL3'), what: 'a TensorFlow Lite model', hint: 'give the ONNX model' },
  {
    at: 4,
    magic: ascii('ORTM'),
    what: 'an ONNX Runtime .ort model',
    hint: 'give the ONNX model it was made from',
  },
  { at: 8, magic: ascii('{"'), what: 'a safetensors file', hint: WEIGHTS_HINT },
];

/**
 * Refuses what is certainly something else, in words that say what it is.
 * @throws ModelError
 */
export function refuseOtherFormats(bytes: Uint8Array, source: string): void {
  if (bytes.byteLength === 0)
    throw new ModelError({ problem: `${source} is empty`, expected: 'an ONNX model', found: '0 bytes' });
  const foreign = foreignFile(bytes, KNOWN);
  if (foreign)
    throw new ModelError({
      problem: `${source} is ${foreign.what}`,
      expected: 'an ONNX model',
      hint: foreign.hint,
    });
  const text = new TextDecoder().decode(bytes.subarray(0, 256)).trimStart();
  if (/^[{[]\s*["{[\]}\d]/.test(text))
    throw new ModelError({
      problem: `${source} is JSON text`,
      expected: 'an ONNX model in protobuf form',
      hint: 'export it again in the binary form; a TensorFlow.js model has to be converted to ONNX',
    });
}
