import type { GraphBuilder, Value } from '../../onnx/index.js';
import type { LossNodes } from './loss.js';
import { numbersLike } from './numbers.js';
import { rowsOf, shapedAs, softmax } from './softmax.js';

export interface DistillationInit {
  readonly b: GraphBuilder;
  /** Logits of the network that is trained, [N,K] or [N,K,1,…]. */
  readonly student: Value;
  readonly shape: readonly number[];
  /** Logits of the frozen network, of as many classes. */
  readonly teacher: Value;
  readonly teacherShape: readonly number[];
  /** T > 0. */
  readonly temperature: number;
  /** Factor on the gradient. */
  readonly scale: number;
}

/**
 * Knowledge distillation (Hinton, Vinyals & Dean 2015, arXiv 1503.02531): with p = softmax(z/T) and q = softmax(t/T),
 *   loss = T²·mean_n Σ_k q·(log q − log p),   d loss/dz = T·(p − q) / N.
 * T² keeps the size of the gradient about the same whatever the temperature.
 */
export function distillation({
  b,
  student,
  shape,
  teacher,
  teacherShape,
  temperature,
  scale,
}: DistillationInit): Pick<LossNodes, 'loss' | 'gradient'> {
  return b.scope('distillation', () => {
    const { of } = numbersLike(b, student);
    const cooled = (logits: Value, dims: readonly number[]): Value =>
      b.op('Mul', [rowsOf(b, logits, dims), of(1 / temperature)]);
    const p = softmax(b, cooled(student, shape));
    const q = softmax(b, cooled(teacher, teacherShape));
    const each = b.op('Mul', [q.probabilities, b.op('Sub', [q.logProbabilities, p.logProbabilities])]);
    const n = shape[0];
    const loss = b.op(
      'Mul',
      [b.op('ReduceSum', [each], { keepdims: 0 }), of(temperature ** 2 / n)],
      {},
      { name: 'value' },
    );
    const difference = b.op('Sub', [p.probabilities, q.probabilities]);
    const gradient = b.op('Mul', [difference, of((temperature * scale) / n)], {}, { name: 'gradient' });
    return { loss, gradient: shapedAs(b, gradient, shape) };
  });
}
