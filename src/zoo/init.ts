/**
 * First values of weights. Each tensor has its own random stream, from the seed and the tensor's name, so that adding a
 * layer changes no other; and normals are made from +, -, *, / and sqrt alone, which IEEE 754 fixes to the last bit
 * (`Math.log` and `Math.cos` may differ between machines and Node versions), so that the float32 values are the same
 * everywhere.
 *
 * He et al., Delving Deep into Rectifiers (2015, arXiv:1502.01852): std = sqrt(2 / fan), which keeps the variance of
 * activations (fan_in) or of gradients (fan_out) through ReLU layers. Fans are counted as PyTorch does: fan_in = I/g·kh·kw
 * and fan_out = O·kh·kw of an OIHW weight, so groups do not divide fan_out.
 */
import { type Random, randomFor } from '../base/random.js';
import { sizeOf, Tensor } from '../onnx/index.js';

export type Init =
  | { readonly kind: 'he'; readonly fan: 'in' | 'out' }
  | { readonly kind: 'normal'; readonly std: number }
  /** Evenly in −bound to bound. */
  | { readonly kind: 'uniform'; readonly bound: number };

/**
 * Initial float32 weight of OIHW (or [out, in]) dims. `name` selects its random stream. The values are drawn when they are
 * first read: a network can be built and counted without its weights.
 */
export function initialWeight(init: Init, dims: readonly number[], seed: number, name: string): Tensor {
  return Tensor.lazyFloat32(dims, () => {
    const data = new Float32Array(sizeOf(dims));
    const random = randomFor(seed, 'weight', name);
    switch (init.kind) {
      case 'he':
        fillNormal(data, Math.sqrt(2 / fanOf(dims, init.fan)), random);
        break;
      case 'normal':
        fillNormal(data, init.std, random);
        break;
      case 'uniform':
        for (let i = 0; i < data.length; i++) data[i] = (2 * random.next() - 1) * init.bound;
        break;
      default:
        init satisfies never;
    }
    return data;
  });
}

export function filled(dims: readonly number[], value: number): Tensor {
  return Tensor.lazyFloat32(dims, () => new Float32Array(sizeOf(dims)).fill(value));
}

function fanOf(dims: readonly number[], fan: 'in' | 'out'): number {
  const [out, inner, ...kernel] = dims;
  return (fan === 'in' ? inner : out) * sizeOf(kernel);
}

/** Marsaglia's polar method: two normals from a point in the unit disc. */
function fillNormal(data: Float32Array, std: number, random: Random): void {
  for (let i = 0; i < data.length; i += 2) {
    let u = 0;
    let v = 0;
    let s = 0;
    do {
      u = 2 * random.next() - 1;
      v = 2 * random.next() - 1;
      s = u * u + v * v;
    } while (s >= 1 || s === 0);
    const factor = std * Math.sqrt((-2 * portableLog(s)) / s);
    data[i] = u * factor;
    if (i + 1 < data.length) data[i + 1] = v * factor;
  }
}

/** ln x for 0 < x <= 1 by x = m·2^e and ln m = 2·artanh((m-1)/(m+1)); 1e-15 relative. */
export function portableLog(x: number): number {
  let m = x;
  let e = 0;
  for (; m < Math.SQRT1_2; e--) m *= 2;
  const z = (m - 1) / (m + 1);
  const z2 = z * z;
  let sum = 0;
  for (let k = 21; k >= 1; k -= 2) sum = sum * z2 + 1 / k;
  return 2 * z * sum + e * Math.LN2;
}
