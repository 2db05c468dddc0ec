import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../base/errors.js';
import { fileError, writeFileAtomic } from '../../base/files.js';
import { encodeSafetensors } from '../../importers/index.js';
import type { Tensor } from '../../onnx/index.js';
import type { Phase } from '../events.js';
import type { TrainStep } from '../step/build.js';
import { fromState, isWeight, type StateTensor, toState } from '../step/state.js';
import { type Start, startsSchema } from './starts.js';
import { decodeStored } from './stored.js';

/** Where a phase stands, and what a report needs of the steps before. */
export interface Progress {
  /** The run it belongs to: the digest that {@link openRunFolder} gives. */
  readonly run: string;
  readonly phase: Phase;
  /** Steps done. */
  readonly step: number;
  /** Milliseconds of the steps so far. */
  readonly milliseconds: readonly number[];
  readonly skipped: readonly string[];
}

/** A phase's progress and its state after those steps. */
export interface Checkpoint extends Progress {
  /** By the state input's name in the step graph. */
  readonly state: ReadonlyMap<string, Tensor>;
  /** What the maps of the Gram form are made from. */
  readonly starts: readonly Start[];
}

/** What stands in a checkpoint's file, of whatever step. */
export interface StoredCheckpoint extends Progress {
  readonly path: string;
  /** By {@link keyOf}, in the dims of what they are named after. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly starts: readonly Start[];
  /** The optimizer with its settings, as {@link describeOptimizer} writes it. */
  readonly optimizer: string;
  /** Of the steps before; what the tensors hold does not depend on it. */
  readonly lowering: string;
}

const FORMAT = 'reparam-checkpoint-1';

/** What a checkpoint calls a state tensor: the initializer's name, and what it is of it. No layout, no step graph. */
export function keyOf(s: Pick<StateTensor, 'name' | 'kind'>): string {
  return isWeight(s) ? s.name : `${s.name}/${s.kind}`;
}

export function describeOptimizer({ optimizer }: Pick<TrainStep, 'optimizer'>): string {
  return JSON.stringify(optimizer);
}

export function checkpointPath(folder: string, phase: Phase): string {
  return join(folder, 'checkpoint', `${phase}.safetensors`);
}

/** Writes whole or not at all; tensors have the dims of the model's initializers. */
export async function saveCheckpoint(
  folder: string,
  step: TrainStep,
  checkpoint: Checkpoint,
): Promise<string> {
  const path = checkpointPath(folder, checkpoint.phase);
  const tensors = new Map<string, Tensor>();
  for (const s of step.state) {
    const tensor = checkpoint.state.get(s.input);
    if (!tensor) throw new Error(`state '${s.input}' is missing`);
    tensors.set(keyOf(s), fromState(s, tensor));
  }
  await mkdir(join(folder, 'checkpoint'), { recursive: true }).catch((e) => {
    throw fileError(folder, 'creating', e);
  });
  await writeFileAtomic(
    path,
    encodeSafetensors(tensors, {
      format: FORMAT,
      run: checkpoint.run,
      phase: checkpoint.phase,
      step: `${checkpoint.step}`,
      optimizer: describeOptimizer(step),
      lowering: step.lowering,
      starts: JSON.stringify(checkpoint.starts),
      milliseconds: JSON.stringify(checkpoint.milliseconds),
      skipped: JSON.stringify(checkpoint.skipped),
    }),
  );
  return path;
}

/**
 * The phase's checkpoint, or undefined when there is none yet.
 * @throws InputError when it is another run's or phase's
 */
export async function readCheckpoint(
  folder: string,
  run: string,
  phase: Phase,
): Promise<StoredCheckpoint | undefined> {
  const path = checkpointPath(folder, phase);
  let file: Uint8Array;
  try {
    file = await readFile(path);
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw fileError(path, 'reading', cause);
  }
  const { metadata, tensors } = decodeStored(file, path);
  for (const [key, expected] of Object.entries({ format: FORMAT, run, phase }))
    if (metadata[key] !== expected) throw foreign(path, key, expected, metadata[key]);
  const step = Number(metadata.step);
  const starts = startsSchema.safeParse(list(metadata.starts));
  if (!Number.isSafeInteger(step) || step < 0 || !starts.success)
    throw new InputError({
      problem: `${path} does not say where the run stood`,
      expected: 'a step count, and what the maps in the Gram form are made from',
      found: `step ${metadata.step}, starts ${metadata.starts}`,
      hint: 'start the run anew, without --resume',
    });
  return {
    path,
    run,
    phase,
    step,
    tensors,
    starts: starts.data,
    optimizer: metadata.optimizer ?? '',
    // Before it was written, there was but one.
    lowering: metadata.lowering ?? 'portable',
    milliseconds: numbers(metadata.milliseconds),
    skipped: strings(metadata.skipped),
  };
}

/**
 * The state of a step, by its inputs' names.
 * @param tensors by {@link keyOf}
 * @throws InputError when one is missing or has other dims
 */
export function restoreState(
  path: string,
  step: TrainStep,
  tensors: ReadonlyMap<string, Tensor>,
): Map<string, Tensor> {
  const state = new Map<string, Tensor>();
  for (const s of step.state) {
    const tensor = tensors.get(keyOf(s));
    const [expected, found] = [
      describe(s.initial.dataType, s.dims),
      tensor && describe(tensor.dataType, tensor.dims),
    ];
    if (!tensor || found !== expected) throw foreign(path, `'${keyOf(s)}'`, expected, found);
    state.set(s.input, toState(s, tensor));
  }
  return state;
}

/** For a checkpoint that is not what the step or the run needs. */
export function foreign(path: string, what: string, expected: string, found: string | undefined): InputError {
  return new InputError({
    problem: `${path} does not belong to this run: ${what}`,
    expected,
    found: found ?? 'nothing',
    hint: 'resume with the options the run was started with, or start anew without --resume',
  });
}

function describe(dataType: string, dims: readonly number[]): string {
  return `${dataType} [${dims}]`;
}

function list(json: string | undefined): unknown[] {
  try {
    const value: unknown = JSON.parse(json ?? '[]');
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

const numbers = (json: string | undefined): number[] => list(json).filter((v) => typeof v === 'number');
const strings = (json: string | undefined): string[] => list(json).filter((v) => typeof v === 'string');
