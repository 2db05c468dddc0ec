import { flatGradients, flattenParameter } from '../../src/finetune/step/parameters.js';
import type { StateTensor } from '../../src/finetune/step/state.js';
import { stepUpdates, type UpdatesOptions } from '../../src/finetune/step/updates.js';
import { Graph, GraphBuilder, Model, sizeOf, Tensor, tensorType } from '../../src/onnx/index.js';
import { evaluate, type RefTensor, realTensor, toNumbers } from '../../src/runtime/reference/index.js';

/** What stands between gradients and new parameters of a step graph, alone, over parameters of the given dims. */
export interface UpdateGraph {
  readonly model: Model;
  /** In the order of the outputs. */
  readonly state: readonly Pick<StateTensor, 'name' | 'kind' | 'input' | 'initial'>[];
}

export function updateGraph(
  parameters: Readonly<
    Record<string, { readonly dims: readonly number[]; readonly start: readonly number[] }>
  >,
  options: UpdatesOptions,
): UpdateGraph {
  const graph = new Graph('update');
  const b = new GraphBuilder(graph, 20);
  const lr = graph.addInput('lr', tensorType('float32', []));
  const gradients = Object.entries(parameters).flatMap(([name, { dims, start }]) => {
    const value = graph.addInput(name, tensorType('float32', dims));
    const gradient = graph.addInput(`${name}/gradient`, tensorType('float32', dims));
    const parameter = flattenParameter(b, { value, initial: Tensor.float32(dims, start) });
    return flatGradients(b, [{ parameter, gradient }]);
  });
  const updates = stepUpdates(b, gradients, [], lr, options);
  for (const u of updates) graph.addOutput(b.op('Identity', [u.next]));
  return { model: new Model(graph, 20, 9), state: updates };
}

/** Values of the state by `name/kind`, float64. */
export type State = ReadonlyMap<string, readonly number[]>;

/**
 * Runs an update graph step by step in the float64 interpreter.
 * @param gradients of each parameter, at the step (from 0) and state given
 * @returns the state after each step
 */
export function runUpdates(
  { model, state }: UpdateGraph,
  lr: readonly number[],
  gradients: (state: State, step: number) => Readonly<Record<string, readonly number[]>>,
): State[] {
  let now: State = new Map(state.map((s) => [`${s.name}/${s.kind}`, Array.from(s.initial.typed(), Number)]));
  return lr.map((rate, step) => {
    const feeds = new Map<string, RefTensor>([['lr', realTensor([], [rate])]]);
    for (const s of state)
      feeds.set(s.input, realTensor(s.initial.dims, now.get(`${s.name}/${s.kind}`) ?? []));
    for (const [name, gradient] of Object.entries(gradients(now, step))) {
      const dims = model.graph.inputs.find((v) => v.name === `${name}/gradient`)?.shape ?? [];
      if (sizeOf(dims) !== gradient.length) throw new Error(`gradient of ${name}`);
      feeds.set(`${name}/gradient`, realTensor(dims, gradient));
    }
    const out = [...evaluate(model, feeds).values()];
    now = new Map(state.map((s, i) => [`${s.name}/${s.kind}`, Array.from(toNumbers(out[i]))]));
    return now;
  });
}
