/**
 * BatchNormalization over axis 1 of x [N,C,…]: y = γ·(x − μ)/√(σ² + ε) + β.
 *
 * Inference: μ, σ² are inputs. Training (training_mode=1 from opset 14; before, more than one output): μ, σ² are the
 * batch's mean and biased variance, and the running statistics come out as momentum·old + (1 − momentum)·batch, with
 * the biased variance as well (PyTorch's unbiased one is not ONNX's).
 */
import { batchNormAttributes } from '../../../onnx/index.js';
import type { Call, RefRule } from '../call.js';
import { type RealTensor, realTensor, zeros } from '../tensor.js';

export const batchNormalization: RefRule = (call) => {
  const x = call.real(0);
  if (x.dims.length < 2) call.fail('input', 'rank 2 or more', `[${x.dims}]`);
  const { epsilon, momentum, training, spatial } = batchNormAttributes(call.node, call.opset);
  if (!spatial) call.fail('attribute spatial', '1 (per channel)', '0');
  const channels = x.dims[1];
  const [gamma, beta, mean, variance] = [1, 2, 3, 4].map((i) => perChannel(call, i, channels));
  if (!training) return [normalize(x, gamma.data, beta.data, mean.data, variance.data, epsilon)];

  const batch = channelMoments(x);
  const move = (old: RealTensor, now: Float64Array): RealTensor =>
    realTensor(
      [channels],
      old.data.map((v, c) => v * momentum + now[c] * (1 - momentum)),
      old.dataType,
    );
  return [
    normalize(x, gamma.data, beta.data, batch.mean, batch.variance, epsilon),
    move(mean, batch.mean),
    move(variance, batch.variance),
    realTensor([channels], batch.mean, x.dataType),
    realTensor([channels], batch.variance, x.dataType),
  ];
};

function perChannel(call: Call, index: number, channels: number): RealTensor {
  const t = call.real(index);
  if (t.data.length !== channels) call.fail(`input ${index}`, `${channels} elements`, `[${t.dims}]`);
  return t;
}

function normalize(
  x: RealTensor,
  gamma: Float64Array,
  beta: Float64Array,
  mean: Float64Array,
  variance: Float64Array,
  epsilon: number,
): RealTensor {
  const y = zeros(x.dataType, x.dims);
  const channels = x.dims[1];
  const plane = x.data.length / (x.dims[0] * channels) || 0;
  for (let i = 0, p = 0; i < x.data.length; p++) {
    const c = p % channels;
    const scale = gamma[c] / Math.sqrt(variance[c] + epsilon);
    for (let j = 0; j < plane; j++, i++) y.data[i] = (x.data[i] - mean[c]) * scale + beta[c];
  }
  return y;
}

/** Mean and biased variance per channel, the variance from the differences to the mean (two passes). */
function channelMoments(x: RealTensor): { mean: Float64Array; variance: Float64Array } {
  const channels = x.dims[1];
  const plane = x.data.length / (x.dims[0] * channels) || 0;
  const count = x.dims[0] * plane;
  const average = (f: (v: number, c: number) => number): Float64Array => {
    const sums = new Float64Array(channels);
    for (let i = 0, p = 0; i < x.data.length; p++) {
      const c = p % channels;
      for (let j = 0; j < plane; j++, i++) sums[c] += f(x.data[i], c);
    }
    return sums.map((s) => s / count);
  };
  const mean = average((v) => v);
  return { mean, variance: average((v, c) => (v - mean[c]) ** 2) };
}
