/**
 * BatchNormalization in inference form as an affine map per channel, and its folding into the kernel before it
 * (Ioffe & Szegedy, 2015; Jacob et al., "Quantization and Training of Neural Networks…", 2018, eq. 14):
 *
 *     y = γ (x − μ) / √(σ² + ε) + β = a·x + c         a = γ / √(σ² + ε)      c = β − μ·a
 *     a (W*x + b) + c = (aW)*x + (a·b + c)
 *
 * Exact wherever the normalized value is the convolution's output and nothing else reads that output.
 */

export interface BatchNormParameters {
  /** γ, β, μ, σ²: [C] each. */
  readonly gamma: Float64Array;
  readonly beta: Float64Array;
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  /** ε */
  readonly epsilon: number;
}

export interface Affine {
  /** a, [C]. */
  readonly scale: Float64Array;
  /** c, [C]. */
  readonly shift: Float64Array;
}

/** @throws RangeError naming the channel where σ² + ε is not a positive number */
export function batchNormAffine(bn: BatchNormParameters): Affine {
  const channels = bn.gamma.length;
  const scale = new Float64Array(channels);
  const shift = new Float64Array(channels);
  for (let c = 0; c < channels; c++) {
    const power = bn.variance[c] + bn.epsilon;
    if (!(power > 0) || power === Number.POSITIVE_INFINITY)
      throw new RangeError(
        `variance + epsilon of channel ${c} is ${bn.variance[c]} + ${bn.epsilon}, which has no usable root`,
      );
    scale[c] = bn.gamma[c] / Math.sqrt(power);
    shift[c] = bn.beta[c] - bn.mean[c] * scale[c];
  }
  return { scale, shift };
}

/**
 * Kernel and bias of the convolution that computes convolution and BatchNormalization at once.
 * @param kernel OIHW (any number of trailing axes), C = O
 * @param bias [O], or undefined for none
 */
export function foldBatchNorm(
  kernel: Float64Array,
  bias: Float64Array | undefined,
  bn: BatchNormParameters,
): { readonly kernel: Float64Array; readonly bias: Float64Array } {
  const { scale, shift } = batchNormAffine(bn);
  const per = kernel.length / scale.length;
  return {
    kernel: kernel.map((w, i) => w * scale[Math.floor(i / per)]),
    bias: shift.map((c, o) => (bias ? bias[o] * scale[o] + c : c)),
  };
}
