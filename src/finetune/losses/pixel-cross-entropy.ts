import { tensorType } from '../../onnx/index.js';
import type { CrossEntropyOptions } from './cross-entropy.js';
import type { Judged, Loss, LossNodes } from './loss.js';
import { numbersLike } from './numbers.js';
import { count, largest, oneHot, smoothed, softmaxCrossEntropy } from './softmax.js';

export interface PixelCrossEntropyOptions extends CrossEntropyOptions {
  /** The label of pixels that do not count, e.g. 255. */
  readonly ignoreIndex: number;
}

/**
 * Softmax cross-entropy per pixel, as torch.nn.CrossEntropyLoss with ignore_index: the mean over the pixels that count,
 * with M of them,
 *   loss = −(1/M) Σ_pixels Σ_k q·log softmax(z),   d loss/dz = (softmax(z) − q) / M, 0 at the others.
 * Where no pixel of a batch counts, loss and gradient are 0 (torch: NaN). Logits [N,K,H,W] (or another number of axes),
 * labels int32 [N,H,W], 0 ≤ label < K or the ignored one. Right answers are counted among the pixels that count.
 */
export function pixelCrossEntropy(options: PixelCrossEntropyOptions): Loss {
  return {
    judges: 'pixels',
    target: (_, [n, , ...pixels]) => tensorType('int32', [n, ...pixels]),
    emit: (judged) => emit(judged, options),
  };
}

function emit(
  { b, output: logits, shape, target: label, scale }: Judged,
  { labelSmoothing, ignoreIndex }: PixelCrossEntropyOptions,
): LossNodes {
  return b.scope('loss', () => {
    const [n, classes, ...pixels] = shape;
    const number = numbersLike(b, logits);
    const labels = b.op('Reshape', [label, b.i64([n, 1, ...pixels])]);
    const ignored = b.op('Cast', [b.i64([ignoreIndex])], { to: 6 });
    const counts = b.op('Not', [b.op('Equal', [labels, ignored])]);
    const mask = number.cast(counts);
    const some = b.op('Max', [b.op('ReduceSum', [mask], { keepdims: 0 }), number.of(1)]);
    const weight = b.op('Div', [mask, some]);
    const target = smoothed(b, oneHot(b, labels, logits, shape), labelSmoothing, classes);
    const nodes = softmaxCrossEntropy({ b, logits, target, weight, scale });
    const right = b.op('And', [b.op('Equal', [largest(b, logits, shape), labels]), counts]);
    return { ...nodes, correct: count(b, right, logits) };
  });
}
