import { Tensor, tensorType, type Value } from '../../onnx/index.js';
import type { Judged, Loss, LossNodes } from './loss.js';

export interface CrossEntropyOptions {
  /** ε, 0 ≤ ε < 1. */
  readonly labelSmoothing: number;
}

/**
 * Softmax cross-entropy with label smoothing ε (Szegedy et al. 2016, arXiv 1512.00567), as torch.nn.CrossEntropyLoss:
 *   q = (1 − ε)·onehot(label) + ε/K,  loss = −mean_n Σ_k q·log softmax(z),  d loss/dz = (softmax(z) − q) / N.
 * Logits [N,K] or [N,K,1,…] are shifted by their row maximum, so no exponential overflows. The label is int32 [N],
 * 0 ≤ label < K; another label would be no class at all, so the caller checks.
 */
export function crossEntropy({ labelSmoothing: smoothing }: CrossEntropyOptions): Loss {
  return {
    target: ([n]) => tensorType('int32', [n]),
    emit: (judged) => emit(judged, smoothing),
  };
}

function emit({ b, output: logits, shape, target: label, scale }: Judged, smoothing: number): LossNodes {
  return b.scope('loss', () => {
    const [n, classes] = shape;
    const double = logits.type?.kind === 'tensor' && logits.type.dataType === 'float64';
    const number = (v: number): Value => (double ? b.constant(Tensor.float64([], [v])) : b.f32(v));
    const toFloat = (v: Value): Value => b.op('Cast', [v], { to: double ? 11 : 1 });
    const rows = shape.length === 2 ? logits : b.op('Reshape', [logits, b.i64([n, classes])]);
    const last = b.i64([1]);
    const shifted = b.op('Sub', [rows, b.op('ReduceMax', [rows, last], { keepdims: 1 })]);
    const exp = b.op('Exp', [shifted]);
    const total = b.op('ReduceSum', [exp, last], { keepdims: 1 });
    const logp = b.op('Sub', [shifted, b.op('Log', [total])]);
    const range = b.op(
      'Cast',
      [
        b.i64(
          Array.from({ length: classes }, (_, i) => i),
          [1, classes],
        ),
      ],
      { to: 6 },
    );
    const hit = toFloat(b.op('Equal', [b.op('Reshape', [label, b.i64([n, 1])]), range]));
    const target =
      smoothing === 0
        ? hit
        : b.op('Add', [b.op('Mul', [hit, number(1 - smoothing)]), number(smoothing / classes)]);
    const each = b.op('ReduceSum', [b.op('Mul', [target, logp]), last], { keepdims: 0 });
    const loss = b.op(
      'Mul',
      [b.op('ReduceSum', [each], { keepdims: 0 }), number(-1 / n)],
      {},
      { name: 'value' },
    );
    const difference = b.op('Sub', [b.op('Div', [exp, total]), target]);
    const gradient = b.op(
      'Reshape',
      [b.op('Mul', [difference, number(scale / n)]), b.i64(shape)],
      {},
      { name: 'gradient' },
    );
    const best = b.op('Cast', [b.op('ArgMax', [rows], { axis: 1, keepdims: 0 })], { to: 6 });
    const right = toFloat(b.op('Equal', [best, label]));
    const correct = b.op('ReduceSum', [right], { keepdims: 0 }, { name: 'correct' });
    return { loss, gradient, correct };
  });
}
