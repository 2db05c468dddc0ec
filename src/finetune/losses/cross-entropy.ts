import { tensorType } from '../../onnx/index.js';
import type { Judged, Loss, LossNodes } from './loss.js';
import { numbersLike } from './numbers.js';
import { count, largest, oneHot, rowsOf, shapedAs, smoothed, softmaxCrossEntropy } from './softmax.js';

export interface CrossEntropyOptions {
  /** ε, 0 ≤ ε < 1. */
  readonly labelSmoothing: number;
}

/**
 * Softmax cross-entropy with label smoothing ε (Szegedy et al. 2016, arXiv 1512.00567), as torch.nn.CrossEntropyLoss:
 *   q = (1 − ε)·onehot(label) + ε/K,  loss = −mean_n Σ_k q·log softmax(z),  d loss/dz = (softmax(z) − q) / N.
 * Logits [N,K] or [N,K,1,…]. The label is int32 [N], 0 ≤ label < K; another label would be no class at all, so the
 * caller checks.
 */
export function crossEntropy({ labelSmoothing }: CrossEntropyOptions): Loss {
  return {
    judges: 'scores',
    target: (_, [n]) => tensorType('int32', [n]),
    emit: (judged) => emit(judged, labelSmoothing),
  };
}

function emit({ b, output, shape, target: label, scale }: Judged, smoothing: number): LossNodes {
  return b.scope('loss', () => {
    const [n, classes] = shape;
    const logits = rowsOf(b, output, shape);
    const labels = b.op('Reshape', [label, b.i64([n, 1])]);
    const target = smoothed(b, oneHot(b, labels, logits, [n, classes]), smoothing, classes);
    const weight = numbersLike(b, logits).of(1 / n);
    const { loss, gradient } = softmaxCrossEntropy({ b, logits, target, weight, scale });
    const correct = count(b, b.op('Equal', [largest(b, logits, [n, classes]), labels]), logits);
    return { loss, gradient: shapedAs(b, gradient, shape), correct };
  });
}
