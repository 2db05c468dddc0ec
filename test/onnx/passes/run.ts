/** Runs models in ONNX Runtime as they are written, to compare a graph before and after a pass. */
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { randomFor } from '../../../src/base/random.js';
import { encodeModel, type Model, sizeOf } from '../../../src/onnx/index.js';
import { expectClose } from '../../support/close.js';

export type Outputs = Record<string, OrtTensor>;

/** Values for every required float32, int64 or uint8 input; open dims are `open` (the batch). */
export function feedsFor(model: Model, open = 2): Outputs {
  const random = randomFor('pass tests');
  const feeds: Outputs = {};
  for (const v of model.graph.requiredInputs) {
    if (v.type?.kind !== 'tensor' || !v.type.shape) throw new Error(`input ${v.name} has no shape`);
    const dims = v.type.shape.map((d) => (typeof d === 'number' ? d : open));
    const size = sizeOf(dims);
    if (v.type.dataType === 'int64')
      feeds[v.name] = new OrtTensor(
        'int64',
        BigInt64Array.from({ length: size }, (_, i) => BigInt(i % 2)),
        dims,
      );
    else if (v.type.dataType === 'uint8')
      feeds[v.name] = new OrtTensor(
        'uint8',
        Uint8Array.from({ length: size }, (_, i) => i % 251),
        dims,
      );
    else
      feeds[v.name] = new OrtTensor(
        'float32',
        Float32Array.from({ length: size }, () => random.normal()),
        dims,
      );
  }
  return feeds;
}

export async function run(model: Model, feeds: Outputs): Promise<Outputs> {
  const session = await InferenceSession.create(encodeModel(model), {
    graphOptimizationLevel: 'disabled',
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

/** Same outputs by name, dims and type, at most 1e-5 apart relative to the largest value. */
export function expectSameOutputs(actual: Outputs, expected: Outputs, what: string): void {
  for (const [name, e] of Object.entries(expected)) {
    const a = actual[name];
    if (String(a.dims) !== String(e.dims) || a.type !== e.type)
      throw new Error(`${what}: ${name} is ${a.type}[${a.dims}], expected ${e.type}[${e.dims}]`);
    const [x, y] = [numbers(a), numbers(e)];
    const scale = y.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    expectClose(x, y, { absolute: 1e-5 * scale }, `${what}: ${name}`);
  }
}

function numbers(t: OrtTensor): Float64Array {
  const { data } = t;
  if (!ArrayBuffer.isView(data) || data instanceof DataView) throw new Error('not numbers');
  return Float64Array.from(data as ArrayLike<number | bigint>, Number);
}
