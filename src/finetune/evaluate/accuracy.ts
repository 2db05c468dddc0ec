import type { Evaluation } from '../results.js';

/** Sums up top-1, top-5 and cross-entropy over batches of logits. */
export class Accuracy {
  #top1 = 0;
  #top5 = 0;
  #loss = 0;
  #images = 0;
  skipped = 0;

  constructor(readonly classes: number) {}

  /**
   * @param logits [rows·classes], row by row; only the first `count` rows are real
   * @param labels output index of each row
   */
  add(logits: Float32Array, labels: Int32Array, count: number): void {
    for (let row = 0; row < count; row++) {
      const z = logits.subarray(row * this.classes, (row + 1) * this.classes);
      const rank = rankOf(z, labels[row]);
      if (rank === 0) this.#top1++;
      if (rank < 5) this.#top5++;
      this.#loss += negativeLogLikelihood(z, labels[row]);
    }
    this.#images += count;
  }

  result(): Evaluation {
    const n = Math.max(1, this.#images);
    return {
      top1: this.#top1 / n,
      top5: this.classes < 5 ? null : this.#top5 / n,
      loss: this.#loss / n,
      images: this.#images,
      skipped: this.skipped,
      correct: this.#top1,
    };
  }
}

/** How many classes come before `label`: a tie goes to the lower index, as argmax does; NaN comes first. */
export function rankOf(z: Float32Array, label: number): number {
  const own = z[label];
  let rank = 0;
  for (let k = 0; k < z.length; k++) if (!(z[k] < own) && k !== label && (z[k] !== own || k < label)) rank++;
  return rank;
}

/** −log softmax(z)[label], in double. */
function negativeLogLikelihood(z: Float32Array, label: number): number {
  let max = Number.NEGATIVE_INFINITY;
  for (const v of z) max = Math.max(max, v);
  let sum = 0;
  for (const v of z) sum += Math.exp(v - max);
  return max + Math.log(sum) - z[label];
}
