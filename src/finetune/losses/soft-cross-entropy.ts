import { tensorType } from '../../onnx/index.js';
import type { CrossEntropyOptions } from './cross-entropy.js';
import type { Judged, Loss, LossNodes } from './loss.js';
import { numbersLike } from './numbers.js';
import { count, largest, rowsOf, shapedAs, smoothed, softmaxCrossEntropy } from './softmax.js';

/**
 * Softmax cross-entropy against target probabilities t, as mixup makes them (Zhang et al. 2018, arXiv 1710.09412), as
 * torch.nn.CrossEntropyLoss with such targets:
 *   q = (1 − ε)·t + ε/K,  loss = −mean_n Σ_k q·log softmax(z),  d loss/dz = (softmax(z)·Σq − q) / N.
 * Logits [N,K] or [N,K,1,…]; t is float [N,K], and its rows need not sum to 1. Right is a row whose largest logit is at
 * its largest target.
 */
export function softCrossEntropy({ labelSmoothing }: CrossEntropyOptions): Loss {
  return {
    judges: 'scores',
    target: (output, [n, classes]) => tensorType(output, [n, classes]),
    emit: (judged) => emit(judged, labelSmoothing),
  };
}

function emit({ b, output, shape, target: given, scale }: Judged, smoothing: number): LossNodes {
  return b.scope('loss', () => {
    const [n, classes] = shape;
    const logits = rowsOf(b, output, shape);
    const target = smoothed(b, given, smoothing, classes);
    const mass = b.op('ReduceSum', [target, b.i64([1])], { keepdims: 1 });
    const weight = numbersLike(b, logits).of(1 / n);
    const { loss, gradient } = softmaxCrossEntropy({ b, logits, target, mass, weight, scale });
    const [found, expected] = [logits, given].map((v) => largest(b, v, [n, classes]));
    const correct = count(b, b.op('Equal', [found, expected]), logits);
    return { loss, gradient: shapedAs(b, gradient, shape), correct };
  });
}
