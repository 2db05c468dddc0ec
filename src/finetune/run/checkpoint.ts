import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../base/errors.js';
import { fileError, writeFileAtomic } from '../../base/files.js';
import type { Tensor } from '../../onnx/index.js';
import type { Phase } from '../events.js';
import type { TrainStep } from '../step/build.js';
import type { StateTensor } from '../step/state.js';
import { decodeSafetensors, encodeSafetensors } from './safetensors.js';

/** Where a phase stands: its state after `step` steps, and what a report needs of the steps before. */
export interface Checkpoint {
  readonly phase: Phase;
  /** Steps done. */
  readonly step: number;
  /** By the state input's name in the step graph. */
  readonly state: ReadonlyMap<string, Tensor>;
  /** Milliseconds of the steps so far. */
  readonly milliseconds: readonly number[];
  readonly skipped: readonly string[];
}

/** What a checkpoint calls a state tensor: the initializer's name, and what it is of it. No layout, no step graph. */
function keyOf(s: StateTensor): string {
  return s.kind === 'momentum' ? `${s.name}/momentum` : s.name;
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
    tensors.set(keyOf(s), tensor.with({ dims: s.dims }));
  }
  await mkdir(join(folder, 'checkpoint'), { recursive: true }).catch((e) => {
    throw fileError(folder, 'creating', e);
  });
  await writeFileAtomic(
    path,
    encodeSafetensors(tensors, {
      format: 'reparam-checkpoint-1',
      phase: checkpoint.phase,
      step: `${checkpoint.step}`,
      milliseconds: JSON.stringify(checkpoint.milliseconds),
      skipped: JSON.stringify(checkpoint.skipped),
    }),
  );
  return path;
}

/** The phase's checkpoint, or undefined when there is none yet. @throws InputError when it does not fit the step */
export async function loadCheckpoint(
  folder: string,
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
  const state = new Map<string, Tensor>();
  for (const s of step.state) {
    const tensor = tensors.get(keyOf(s));
    if (!tensor || tensor.dims.length !== s.dims.length || tensor.dims.some((d, i) => d !== s.dims[i]))
      throw new InputError({
        problem: `${path} does not belong to this run: '${keyOf(s)}'`,
        expected: `[${s.dims}]`,
        found: tensor ? `[${tensor.dims}]` : 'nothing',
        hint: 'resume with the options the run was started with, or start anew without --resume',
      });
    state.set(s.input, s.kind === 'running' ? tensor : tensor.with({ dims: [tensor.size] }));
  }
  const done = Number(metadata.step);
  if (!Number.isInteger(done) || done < 0)
    throw new InputError({ problem: `${path} has no step count`, found: `${metadata.step}` });
  return {
    phase,
    step: done,
    state,
    milliseconds: numbers(metadata.milliseconds),
    skipped: strings(metadata.skipped),
  };
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
