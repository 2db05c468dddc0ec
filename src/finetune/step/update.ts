import { type GraphBuilder, Tensor, type Value } from '../../onnx/index.js';
import type { UpdateRule } from '../optim/optimizer.js';
import { beginUpdate, type OptimizerOptions } from '../optim/table.js';
import type { OpenContext } from './context.js';
import type { Gradient } from './parameters.js';
import { type StateInput, type StateUpdate, stateInput, updated } from './state.js';
import { apart, endToEnd, mapTogether } from './together.js';

export interface UpdateOptions {
  readonly optimizer: OptimizerOptions;
  readonly weightDecay: number;
  /** Weight decay also on rank-1 parameters (BatchNormalization scale and bias, biases). */
  readonly decayAll: boolean;
  /** Factors on the learning rate, by initializer name; 1 where there is none. */
  readonly lrFactors?: ReadonlyMap<string, number>;
  /** Weight decay by initializer name, in place of the common one. */
  readonly decays?: ReadonlyMap<string, number>;
}

/** The optimizer's step: each parameter, followed by its slots. */
export function updateParameters(
  context: OpenContext,
  gradients: readonly Gradient[],
  lr: Value,
  options: UpdateOptions,
): StateUpdate[] {
  const { b, pace, shared } = context;
  const rule = beginUpdate(options.optimizer, context);
  const now = pace.only(lr);
  const common = (decays: boolean): number => (options.decayAll || decays ? options.weightDecay : 0);
  const members = gradients.map(
    ({ parameter: { name, state, decays }, value }): Member => ({
      name,
      state,
      gradient: value,
      factor: options.lrFactors?.get(name) ?? 1,
      weightDecay: options.decays?.get(name) ?? common(decays),
    }),
  );
  const about = ({ state, factor, weightDecay }: Member): { size: number; key: string } => ({
    size: state.initial.size,
    key: `${factor} ${weightDecay}`,
  });
  return mapTogether(members, context.together, about, (group) => {
    const [{ name, factor, weightDecay }] = group;
    const rate =
      factor === 1
        ? now
        : shared(now, `* ${factor}`, () => b.op('Mul', [now, b.f32(factor)], {}, { name: 'lr' }));
    return b.scope(group.length === 1 ? name : 'together', () =>
      updateGroup(b, rule, group, rate, weightDecay),
    );
  }).flat();
}

/** A parameter that is updated, alone or together with others. */
interface Member {
  readonly name: string;
  readonly state: StateInput;
  readonly gradient: Value;
  /** On the learning rate. */
  readonly factor: number;
  readonly weightDecay: number;
}

/** For each parameter of a group: its value after the step, then its slots. */
function updateGroup(
  b: GraphBuilder,
  rule: UpdateRule,
  group: readonly Member[],
  lr: Value,
  weightDecay: number,
): StateUpdate[][] {
  const sizes = group.map((m) => m.state.initial.size);
  const slots: StateUpdate[][] = [];
  const next = rule({
    parameter: endToEnd(b, group, (m) => m.state.value),
    gradient: endToEnd(b, group, (m) => m.gradient),
    lr,
    weightDecay,
    slot: (kind, change, initial = 0) => {
      const inputs = group.map(({ state }) => {
        const { dims, size } = state.initial;
        const start = Tensor.derivedFloat32(dims, () => new Float32Array(size).fill(initial));
        return stateInput(b, { ...state, kind, initial: start });
      });
      const after = change(endToEnd(b, inputs, (s) => s.value));
      slots.push(apart(b, after, sizes).map((v, i) => updated(inputs[i], v)));
      return after;
    },
  });
  return apart(b, next, sizes).map((v, i) => [updated(group[i].state, v), ...slots.map((s) => s[i])]);
}
