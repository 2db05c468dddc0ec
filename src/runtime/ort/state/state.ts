import type { NamedTensors, TensorSpec } from '../../worker/protocol.js';
import type { Ort } from '../load.js';

export type Tensors = Readonly<Record<string, Ort.Tensor>>;

/** Types and dims of state, by input name. */
export type StateSpecs = readonly (readonly [name: string, spec: TensorSpec])[];

/** Where the state of a step session is kept between steps; zeros until it is written. */
export interface StepState {
  /** The state of the next step, by input name. */
  readonly current: Tensors;
  /** The state outputs to ask for, by output name; a tensor is filled by the run, null means a new one. */
  readonly fetches: Readonly<Record<string, Ort.Tensor | null>>;
  /**
   * Takes the results of a step that has succeeded as the state of the next one.
   * @param results what the binding made; of tensors that were filled there may be none
   * @param fetched names of state outputs that the caller wants too
   */
  accept(results: Tensors, fetched: ReadonlySet<string>): void;
  /** A copy of one output of the step just accepted that is state. */
  output(name: string): Promise<NamedTensors[number][1]>;
  read(): Promise<NamedTensors>;
  write(state: NamedTensors): void;
  release(): void;
}

export function pick(tensors: Tensors, name: string): Ort.Tensor {
  const tensor = tensors[name];
  if (!tensor) throw new Error(`there is no tensor '${name}'`);
  return tensor;
}
