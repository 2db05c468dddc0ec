import { type GraphBuilder, Tensor, tensorType, type Value } from '../../onnx/index.js';
import type { StateBinding } from '../../runtime/engine.js';
import { type KernelLayout, packKernel, unpackKernel } from '../lowering/blocked/kernel.js';
import type { ScalarKind, SlotKind } from '../optim/optimizer.js';

/** What a state tensor is of the thing it is named after: the trained value itself, or what a step keeps about it. */
export type StateKind = 'parameter' | 'running' | 'accumulated' | 'average' | SlotKind | ScalarKind;

/** A tensor that a step takes and gives back changed. */
export interface StateTensor extends StateBinding {
  /** The initializer of the model this state belongs to; in the Gram form what stands for it (step/refocus.ts). */
  readonly name: string;
  readonly kind: StateKind;
  /** Dims of what it is named after; in the step graph parameters and their slots are 1-D. */
  readonly dims: readonly number[];
  readonly initial: Tensor;
  /** How the elements of a kernel, and of what the optimizer keeps about it, lie in the step graph; undefined: as in `dims`. */
  readonly layout?: KernelLayout;
}

/** Whether it stands in the trained model: a parameter or a running statistic. */
export function isWeight({ kind }: Pick<StateTensor, 'kind'>): boolean {
  return kind === 'parameter' || kind === 'running';
}

/** The tensors that make the trained model: the averages where a step keeps them, else what it trains. */
export function modelState(state: readonly StateTensor[]): readonly StateTensor[] {
  const averages = state.filter((s) => s.kind === 'average');
  return averages.length > 0 ? averages : state.filter(isWeight);
}

/** A state tensor while the graph is built: outputs get their names last. */
export interface StateUpdate extends Omit<StateTensor, 'output'> {
  /** Its value after the step. */
  readonly next: Value;
}

/** State that the graph has an input for, and no next value yet. */
export interface StateInput extends Omit<StateTensor, 'output'> {
  readonly value: Value;
}

/** Gives a state tensor its graph input, in the dims of `initial`. */
export function stateInput(
  b: GraphBuilder,
  state: Pick<StateTensor, 'name' | 'kind' | 'dims' | 'initial' | 'layout'>,
): StateInput {
  const { name, kind, dims, initial, layout } = state;
  const type = tensorType(initial.dataType, initial.dims);
  const value = b.graph.addInput(b.graph.uniqueName(`${name}/${kind}`), type);
  return { name, kind, dims, initial, ...(layout ? { layout } : {}), input: value.name, value };
}

/** The state with its value after the step. */
export function updated({ value: _, ...state }: StateInput, next: Value): StateUpdate {
  return { ...state, next };
}

/** A state tensor of the engine in the order and dims of the initializer. */
export function fromState({ dims, layout }: Pick<StateTensor, 'dims' | 'layout'>, tensor: Tensor): Tensor {
  const data = layout ? tensor.typed() : undefined;
  return layout && data instanceof Float32Array
    ? Tensor.float32(dims, unpackKernel(layout, data))
    : tensor.with({ dims });
}

/** The other way: a tensor of the initializer's dims as the engine keeps it. */
export function toState(
  { initial, layout }: Pick<StateTensor, 'initial' | 'layout'>,
  tensor: Tensor,
): Tensor {
  const data = layout ? tensor.typed() : undefined;
  return layout && data instanceof Float32Array
    ? Tensor.float32(initial.dims, packKernel(layout, data))
    : tensor.with({ dims: initial.dims });
}
