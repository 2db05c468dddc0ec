import { expect, test } from 'vitest';
import { randomFor } from '../../../src/base/random.js';
import { batchNormAffine, foldBatchNorm } from '../../../src/reparam/algebra/batchnorm.js';
import { expectClose } from '../../support/close.js';

test('folding is exact: normalize(W·x + b) = W′·x + b′', () => {
  const random = randomFor(3, 'bn-test');
  const channels = 5;
  const taps = 12;
  const draw = (n: number) => Float64Array.from({ length: n }, () => random.normal());
  for (const bias of [undefined, draw(channels)])
    for (const epsilon of [0, 1e-5, 1e-3]) {
      const kernel = draw(channels * taps);
      const gamma = draw(channels);
      const beta = draw(channels);
      const mean = draw(channels);
      const variance = draw(channels).map((v) => v * v + 1e-3);
      const x = draw(taps);
      const folded = foldBatchNorm(kernel, bias, { gamma, beta, mean, variance, epsilon });
      const dot = (k: Float64Array, c: number) => x.reduce((s, v, i) => s + v * k[c * taps + i], 0);
      const expected = Float64Array.from({ length: channels }, (_, c) => {
        const y = dot(kernel, c) + (bias ? bias[c] : 0);
        return (gamma[c] * (y - mean[c])) / Math.sqrt(variance[c] + epsilon) + beta[c];
      });
      const actual = expected.map((_, c) => dot(folded.kernel, c) + folded.bias[c]);
      expectClose(actual, expected, { absolute: 1e-11, relative: 1e-12 }, `epsilon ${epsilon}`);
    }
});

test('a variance that has no usable root is refused, the channel named', () => {
  const bn = (variance: number[], epsilon: number) => ({
    gamma: Float64Array.of(1, 1),
    beta: Float64Array.of(0, 0),
    mean: Float64Array.of(0, 0),
    variance: Float64Array.from(variance),
    epsilon,
  });
  expect(() => batchNormAffine(bn([1, -0.5], 1e-5))).toThrow('channel 1');
  expect(() => batchNormAffine(bn([0, 1], 0))).toThrow('channel 0');
  expect(() => batchNormAffine(bn([Number.NaN, 1], 1e-5))).toThrow('channel 0');
  // legal: epsilon carries a channel that never varied
  expect(batchNormAffine(bn([0, 1], 1e-5)).scale[0]).toBeCloseTo(1 / Math.sqrt(1e-5), 9);
});
