import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../base/errors.js';
import { fileError, writeFileAtomic } from '../../base/files.js';
import type { Tensor } from '../../onnx/index.js';
import type { Phase } from '../events.js';
import type { TrainStep } from '../step/build.js';
import { fromState, isWeight, type StateTensor, toState } from '../step/state.js';
import { decodeSafetensors, encodeSafetensors } from './safetensors.js';

/** Where a phase stands: its state after `step` steps, and what a report needs of the steps before. */
export interface Checkpoint {
  /** The run it belongs to: the digest that {@link openRunFolder} gives. */
  readonly run: string;
  readonly phase: Phase;
  /** Steps done. */
  readonly step: number;
  /** By the state input's name in the step graph. */
  readonly state: ReadonlyMap<string, Tensor>;
  /** Milliseconds of the steps so far. */
  readonly milliseconds: readonly number[];
  readonly skipped: readonly string[];
}

const FORMAT = 'reparam-checkpoint-1';

/** What a checkpoint calls a state tensor: the initializer's name, and what it is of it. No layout, no step graph. */
function keyOf(s: StateTensor): string {
  return isWeight(s) ? s.name : `${s.name}/${s.kind}`;
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
      milliseconds: JSON.stringify(checkpoint.milliseconds),
      skipped: JSON.stringify(checkpoint.skipped),
    }),
  );
  return path;
}

/**
 * The phase's checkpoint, or undefined when there is none yet.
 * @throws InputError when it is another run's or phase's, or does not fit the step
 */
export async function loadCheckpoint(
  folder: string,
  run: string,
  phase: Phase,
  step: TrainStep,
): Promise<Checkpoint | undefined> {
  const path = checkpointPath(folder, phase);
  let file: Uint8Array;
  try {
    file = await readFile(path);
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw fileError(path, 'reading', cause);
  }
  const { metadata, tensors } = decodeSafetensors(file, path);
  const foreign = (what: string, expected: string, found: string | undefined): InputError =>
    new InputError({
      problem: `${path} does not belong to this run: ${what}`,
      expected,
      found: found ?? 'nothing',
      hint: 'resume with the options the run was started with, or start anew without --resume',
    });
  for (const [key, expected] of Object.entries({ format: FORMAT, run, phase }))
    if (metadata[key] !== expected) throw foreign(key, expected, metadata[key]);
  const state = new Map<string, Tensor>();
  for (const s of step.state) {
    const tensor = tensors.get(keyOf(s));
    const [expected, found] = [
      describe(s.initial.dataType, s.dims),
      tensor && describe(tensor.dataType, tensor.dims),
    ];
    if (!tensor || found !== expected) throw foreign(`'${keyOf(s)}'`, expected, found);
    state.set(s.input, toState(s, tensor));
  }
  const done = Number(metadata.step);
  if (!Number.isSafeInteger(done) || done < 0)
    throw new InputError({
      problem: `${path} has no step count`,
      found: `${metadata.step}`,
      hint: 'start the run anew, without --resume',
    });
  return {
    run,
    phase,
    step: done,
    state,
    milliseconds: numbers(metadata.milliseconds),
    skipped: strings(metadata.skipped),
  };
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
