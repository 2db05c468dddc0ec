/** Weights and images made from their names, so that a network's outputs can be recorded without them. */
import { crc32 } from 'node:zlib';
import { sizeOf, Tensor } from '../../src/onnx/index.js';

/** Numbers in [-1, 1) that hang on the name and the index only, as scripts/record-weight-names.py makes them. */
export function uniform(name: string, count: number): Float64Array {
  const start = crc32(name);
  const out = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    let x = (Math.imul(i, 1664525) + start) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x45d9f3b);
    x = Math.imul(x ^ (x >>> 16), 0x45d9f3b);
    out[i] = ((x ^ (x >>> 16)) >>> 0) / 2 ** 31 - 1;
  }
  return out;
}

/**
 * A weight of a recorded network in the layout of its package.
 * @param fanIn inputs of one output, of a kernel or matrix
 */
export function formulaWeight(name: string, dims: readonly number[], fanIn: number): Tensor {
  const [mean, range] = spread(name, dims, fanIn);
  const u = uniform(name, sizeOf(dims));
  const data = new Float32Array(u.length);
  for (let i = 0; i < data.length; i++) data[i] = mean + range * u[i];
  return Tensor.float32(dims, data);
}

function spread(
  name: string,
  dims: readonly number[],
  fanIn: number,
): readonly [mean: number, range: number] {
  if (/(running_var|moving_variance)$/.test(name)) return [1, 0.5];
  if (dims.length > 1 && fanIn > 1) return [0, Math.sqrt(6 / fanIn)];
  return /(bias|beta|mean)$/.test(name) ? [0, 0.1] : [1, 0.2];
}
