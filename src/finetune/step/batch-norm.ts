import { UnsupportedError } from '../../base/errors.js';
import { type GraphBuilder, type Node, sizeOf, type Tensor, type Value } from '../../onnx/index.js';
import { emitInternal, typeLike } from '../autodiff/internal.js';

/** A running statistic of a BatchNormalization and how a step changes it. */
export interface RunningStatistic {
  /** The initializer of the model, now a graph input. */
  readonly value: Value;
  readonly initial: Tensor;
  readonly next: Value;
}

/** What exporters write when they mean "do not update"; PyTorch's default is used then. */
const USUAL_MOMENTUM = 0.9;

/**
 * Turns each inference BatchNormalization into training mode: batch statistics normalize, and running statistics are
 * updated as PyTorch does, with the unbiased variance:
 *   running ← m·running + (1 − m)·batch,   batch variance · n/(n − 1),   m the node's `momentum` attribute.
 * @throws UnsupportedError when a statistic is shared or computed, or a channel has a single value per batch
 */
export function trainBatchNorm(b: GraphBuilder): RunningStatistic[] {
  const statistics: RunningStatistic[] = [];
  for (const node of [...b.graph.nodes]) {
    if (node.opType !== 'BatchNormalization' || node.domain !== '') continue;
    const shape = node.input(0).shape;
    if (!shape)
      throw new UnsupportedError({ problem: `${node.describe()}: the shape of its input is not known` });
    const count = sizeOf(shape) / shape[1];
    if (count < 2)
      throw new UnsupportedError({
        problem: `${node.describe()} sees one value per channel, which has no batch statistics`,
        hint: 'use a larger batch or image, or --bn frozen',
      });
    const [mean, variance] = [node.input(3), node.input(4)];
    for (const v of [mean, variance]) requireOwn(node, v);
    const like = [node.output().type, typeLike(mean, [shape[1]]), typeLike(variance, [shape[1]])];
    const [y, batchMean, batchVariance] = b.at({ before: node }, () =>
      b.scope(node.name || node.output().name, () =>
        emitInternal(b, 'BatchNormTrain', [node.input(0), node.input(1), node.input(2), mean], like, {
          epsilon: { float: node.float('epsilon', 1e-5) },
        }),
      ),
    );
    b.graph.replaceUses(node.output(), y);
    const momentum = momentumOf(node);
    b.graph.removeNode(node);
    const update = (running: Value, batch: Value, scale: number): void => {
      const next = b.op('Add', [
        b.op('Mul', [running, b.f32(momentum)]),
        b.op('Mul', [batch, b.f32((1 - momentum) * scale)]),
      ]);
      const initial = running.constant;
      if (!initial) return;
      statistics.push({ value: running, initial, next });
    };
    b.scope(`${mean.name}/next`, () => update(mean, batchMean, 1));
    b.scope(`${variance.name}/next`, () => update(variance, batchVariance, count / (count - 1)));
  }
  for (const s of statistics) {
    b.graph.addInput(s.value);
    b.graph.removeInitializer(s.value);
  }
  return statistics;
}

/** What a step replaces must be a constant that nothing else reads: not another layer, not this one's β either. */
function requireOwn(node: Node, statistic: Value): void {
  const { constant, uses } = statistic;
  if (constant && uses.length === 1) return;
  const readers = uses.filter((u) => u.node !== node || u.index < 3).map((u) => u.node.describe());
  throw new UnsupportedError({
    problem: `${node.describe()}: running statistic '${statistic.name}' cannot be updated`,
    expected: 'a constant of its own',
    found: constant
      ? `one that ${readers.join(' and ') || 'mean and variance'} read too`
      : 'a computed value',
    hint: 'use --bn frozen',
  });
}

function momentumOf(node: Node): number {
  const m = node.float('momentum', USUAL_MOMENTUM);
  return m >= 0 && m < 1 ? m : USUAL_MOMENTUM;
}
