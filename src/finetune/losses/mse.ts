import { sizeOf, tensorType } from '../../onnx/index.js';
import type { Judged, Loss, LossNodes } from './loss.js';
import { numbersLike } from './numbers.js';
import { count, largest } from './softmax.js';

/**
 * Mean squared error over all M entries, as torch.nn.MSELoss:
 *   loss = Σ (y − t)² / M,   d loss/dy = 2·(y − t) / M.
 * It judges the network's output as it is, a trailing Softmax included; output [N,K,…], target float of the same shape.
 * Right is a position whose largest value over axis 1 is where the target's is.
 */
export function mse(): Loss {
  return { judges: 'output', target: tensorType, emit };
}

function emit({ b, output, shape, target, scale }: Judged): LossNodes {
  return b.scope('loss', () => {
    const { of } = numbersLike(b, output);
    const size = sizeOf(shape);
    const difference = b.op('Sub', [output, target]);
    const total = b.op('ReduceSum', [b.op('Mul', [difference, difference])], { keepdims: 0 });
    const loss = b.op('Mul', [total, of(1 / size)], {}, { name: 'value' });
    const gradient = b.op('Mul', [difference, of((2 * scale) / size)], {}, { name: 'gradient' });
    const [found, expected] = [output, target].map((v) => largest(b, v, shape));
    return { loss, gradient, correct: count(b, b.op('Equal', [found, expected]), output) };
  });
}
