import { byteSize, type Model, sizeOf, type Value } from '../../onnx/index.js';
import type { StateBinding } from '../engine.js';
import { overwritable } from './in-place.js';
import { peakOfRun } from './memory-plan.js';

/** Bytes by which a process grows for a step graph, at its peak. */
export interface StepMemory {
  /** All of the following together. */
  readonly total: number;
  /** The old state, and the new one where it is not written over. */
  readonly state: number;
  /** Intermediate values: the most that is alive at once, and what lies idle between them. */
  readonly activations: number;
  readonly constants: number;
  /** Images and labels on their way. */
  readonly inputs: number;
  /** The runtime's own: the thread, nodes, kernels. */
  readonly session: number;
}

/** Sets of the state at the peak. */
const STATE_COPIES = { overwritten: 1, other: 2 };
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
 * peak of a process of its own (`npm run bench:step`; table in docs/benchmarks.md): within 11 % for ResNets and plain
 * MobileNets in the portable lowering, a third too much for refocused MobileNets; of small steps it says too much.
 * @param state the other inputs are fed at every step
 */
export function estimateStepMemory({ graph }: Model, state: readonly StateBinding[]): StepMemory {
  const names = new Set(state.map((b) => b.input));
  const overwritten = overwritable(graph, state);
  const parts = { state: 0, inputs: 0, constants: 0 };
  for (const v of graph.requiredInputs)
    if (!names.has(v.name)) parts.inputs += bytesOf(v);
    else parts.state += STATE_COPIES[overwritten.has(v.name) ? 'overwritten' : 'other'] * bytesOf(v);
  for (const { initializer: t } of graph.initializers) if (t) parts.constants += byteSize(t.dataType, t.size);
  const memory = {
    state: parts.state,
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
