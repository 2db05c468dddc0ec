import { byteSize, type Model, sizeOf, type Value } from '../../onnx/index.js';
import { peakOfRun } from './memory-plan.js';

/** Bytes by which a process grows for a step graph, at its peak. */
export interface StepMemory {
  /** All of the following together. */
  readonly total: number;
  /** The two sets of state that take turns, and the copies that the runtime's binding makes of every new one. */
  readonly state: number;
  /** Intermediate values: the most that is alive at once, and what lies idle between them. */
  readonly activations: number;
  readonly constants: number;
  /** Images and labels on their way. */
  readonly inputs: number;
  /** The runtime's own: the thread, nodes, kernels. */
  readonly session: number;
}

/** Copies of the state at the peak: the two sets, and the results that the binding makes beside them. */
const STATE_COPIES = 3;
/** What the runtime's arena takes for each byte that is in use: sizes are rounded up, and gaps stay. */
const ARENA = 1.25;
/** The runtime lets go of the file before the first step. */
const CONSTANT_COPIES = 1;
/** The batch that runs, the one that waits, and one that is being copied. */
const INPUT_COPIES = 3;
const SESSION = 20 * 2 ** 20;
const NODE = 8 * 2 ** 10;

/**
 * How much memory a step session of a graph with static shapes will take, found without running it. Measured against the
 * peak of a process of its own (`npm run bench:step`; table in docs/benchmarks.md): within 20 % for ResNets and
 * MobileNets of 400 MiB and more in the portable lowering, 23 % at 255 MiB; of small steps it says too much.
 * @param state names of the inputs that are state; the others are fed at every step
 */
export function estimateStepMemory({ graph }: Model, state: Iterable<string>): StepMemory {
  const names = new Set(state);
  const parts = { state: 0, inputs: 0, constants: 0 };
  for (const v of graph.requiredInputs) parts[names.has(v.name) ? 'state' : 'inputs'] += bytesOf(v);
  for (const { initializer: t } of graph.initializers) if (t) parts.constants += byteSize(t.dataType, t.size);
  const memory = {
    state: STATE_COPIES * parts.state,
    activations: ARENA * peakOfRun(graph),
    constants: CONSTANT_COPIES * parts.constants,
    inputs: INPUT_COPIES * parts.inputs,
    session: SESSION + NODE * graph.nodes.length,
  };
  return { total: Object.values(memory).reduce((sum, n) => sum + n, 0), ...memory };
}

/** Bytes of a value of static shape; 0 where it is not known. */
export function bytesOf({ shape, type }: Value): number {
  return shape && type?.kind === 'tensor' ? byteSize(type.dataType, sizeOf(shape)) : 0;
}
