import { UnsupportedError } from '../../base/errors.js';
import { type GraphBuilder, type Node, sizeOf, type Tensor, type Value } from '../../onnx/index.js';
import { emitInternal, typeLike } from '../autodiff/internal.js';
import { everyStep } from '../optim/pace.js';
import type { StateUpdate } from './state.js';
import { apart, endToEnd, mapTogether } from './together.js';

/** A running statistic of a BatchNormalization and what a step changes it by. */
export interface RunningStatistic {
  /** The initializer of the model, now a graph input. */
  readonly value: Value;
  readonly initial: Tensor;
  /** One for each time that the layer is applied, in the order of the graph. */
  readonly batches: readonly BatchStatistic[];
}

export interface BatchStatistic {
  readonly value: Value;
  /** running ← keep·running + add·value. */
  readonly keep: number;
  readonly add: number;
}

/** What exporters write when they mean "do not update"; PyTorch's default is used then. */
const USUAL_MOMENTUM = 0.9;

/**
 * Turns each inference BatchNormalization into training mode: batch statistics normalize, and running statistics are to
 * be updated ({@link updateStatistics}) as PyTorch does, with the unbiased variance:
 *   running ← m·running + (1 − m)·batch,   batch variance · n/(n − 1),   m the node's `momentum` attribute.
 * A layer that is applied several times updates its statistics once per application, in the order of the graph.
 * @throws UnsupportedError when a statistic is computed or another layer's too, or a channel has a single value per batch
 */
export function trainBatchNorm(b: GraphBuilder): RunningStatistic[] {
  const statistics = new Map<Value, { value: Value; initial: Tensor; batches: BatchStatistic[] }>();
  const nodes = b.graph.nodes.filter((n) => n.opType === 'BatchNormalization' && n.domain === '');
  for (const node of nodes) for (const index of [3, 4]) requireOwn(node, index);
  for (const node of nodes) {
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
    const note = (running: Value, batch: Value, scale: number): void => {
      const { constant: initial } = running;
      if (!initial) return;
      const known = statistics.get(running) ?? { value: running, initial, batches: [] };
      known.batches.push({ value: batch, keep: momentum, add: (1 - momentum) * scale });
      statistics.set(running, known);
    };
    note(mean, batchMean, 1);
    note(variance, batchVariance, count / (count - 1));
  }
  for (const { value } of statistics.values()) {
    b.graph.addInput(value);
    b.graph.removeInitializer(value);
  }
  return [...statistics.values()];
}

/**
 * The running statistics after the step.
 * @param now what stands for a batch's statistic in the graph as it is
 * @param together values of a statistic that is updated together with others, at most
 */
export function updateStatistics(
  b: GraphBuilder,
  statistics: readonly RunningStatistic[],
  now: (batch: Value) => Value,
  together: number,
): StateUpdate[] {
  const about = ({ initial, batches }: RunningStatistic): { size: number; key: string } => ({
    size: batches.length === 1 ? initial.size : Number.POSITIVE_INFINITY,
    key: '',
  });
  const { blend } = everyStep(b);
  return mapTogether(statistics, together, about, (group) => {
    if (group.length > 1) return updateGroup(b, group, now);
    const [statistic] = group;
    const { value, batches } = statistic;
    return b.scope(`${value.name}/next`, () => {
      const next = batches.reduce(
        (before, { value: batch, keep, add }) => blend(before, keep, now(batch), add),
        value,
      );
      return [updateOf(statistic, next)];
    });
  });
}

/** Statistics with one batch each. */
function updateGroup(
  b: GraphBuilder,
  group: readonly RunningStatistic[],
  now: (batch: Value) => Value,
): StateUpdate[] {
  const sizes = group.map(({ initial }) => initial.size);
  const each = (of: (batch: BatchStatistic) => number): Value =>
    b.f32(group.flatMap(({ batches: [batch] }, i) => new Array<number>(sizes[i]).fill(of(batch))));
  return b.scope('statistics', () => {
    const before = endToEnd(b, group, ({ value }) => value);
    const batch = endToEnd(b, group, ({ batches: [{ value }] }) => now(value));
    const next = everyStep(b).blend(
      before,
      each(({ keep }) => keep),
      batch,
      each(({ add }) => add),
    );
    return apart(b, next, sizes).map((v, i) => updateOf(group[i], v));
  });
}

function updateOf({ value, initial }: RunningStatistic, next: Value): StateUpdate {
  return { name: value.name, kind: 'running', dims: initial.dims, input: value.name, initial, next };
}

/**
 * What a step replaces must be a constant that nothing else reads: not another layer, not this one's β either. The same
 * layer may stand in the graph several times, with the same scale, bias, mean and variance each time.
 */
function requireOwn(node: Node, index: number): void {
  const statistic = node.input(index);
  const { constant, uses } = statistic;
  const same = (other: Node): boolean => [1, 2, 3, 4].every((i) => other.inputs[i] === node.inputs[i]);
  const others = uses.filter((u) => u.index !== index || !same(u.node));
  if (constant && others.length === 0) return;
  const readers = others.filter((u) => u.node !== node || u.index < 3).map((u) => u.node.describe());
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
