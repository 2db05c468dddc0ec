import type { Model, Tensor } from '../../onnx/index.js';
import { constantOf, readForm, tensorSha256 } from '../../reparam/index.js';
import type { Listener, Phase } from '../events.js';
import type { TrainStep } from '../step/build.js';
import { fromState } from '../step/state.js';
import {
  type Checkpoint,
  describeOptimizer,
  foreign,
  keyOf,
  readCheckpoint,
  restoreState,
  type StoredCheckpoint,
} from './checkpoint.js';
import { type Converted, convertForms } from './convert.js';
import { keepStarts, loadStarts, type Start } from './starts.js';
import { withWeights } from './weights.js';

export interface PhaseInit {
  /** The run folder. */
  readonly folder: string;
  readonly run: string;
  readonly phase: Phase;
  readonly resume: boolean;
  /** What the phase starts from. */
  readonly model: Model;
  readonly build: (model: Model) => Promise<TrainStep>;
  readonly listener: Listener;
}

export interface OpenPhase {
  readonly step: TrainStep;
  /** Where the phase goes on; undefined: at its start. */
  readonly from: Checkpoint | undefined;
  readonly starts: readonly Start[];
}

/**
 * The step of a phase and the state it goes on from. A checkpoint may hold maps in another form than the step trains them
 * in, or be of another optimizer: what can be converted is, and what cannot begins anew and is told.
 * @throws InputError when the checkpoint does not fit the run
 */
export async function openPhase(init: PhaseInit): Promise<OpenPhase> {
  const { folder, run, phase, build } = init;
  const stored = init.resume ? await readCheckpoint(folder, run, phase) : undefined;
  if (!stored) {
    const step = await build(init.model);
    return { step, from: undefined, starts: await keepStarts(folder, phase, init.model, step.gram) };
  }
  let model = withWeights(init.model, await loadStarts(folder, stored.starts));
  checkStarts(stored, model);
  let step = await build(model);
  let converted = convertForms(stored.tensors, stored.step, step, model);
  if (converted.strangers.size > 0) {
    // Such a map is the R₀ of what follows.
    model = withWeights(model, converted.strangers);
    step = await build(model);
    converted = convertForms(stored.tensors, stored.step, step, model);
  }
  const tensors = withoutOptimizer(stored, converted, step, init.listener);
  tell(stored, converted, init.listener);
  if (stored.lowering !== step.lowering)
    init.listener({
      type: 'log',
      level: 'warning',
      message: `${phase}: from step ${stored.step} on the ${step.lowering} lowering, before it the ${stored.lowering} one: results differ in their last bits from those of one lowering throughout`,
    });
  const starts = await keepStarts(folder, phase, model, step.gram);
  const { step: done, milliseconds, skipped } = stored;
  const state = restoreState(stored.path, step, tensors);
  return { step, from: { run, phase, step: done, milliseconds, skipped, state, starts }, starts };
}

/** R₀ of a seed is made again from the model; it must be what the checkpoint's α and Z are about. */
function checkStarts({ path, starts }: StoredCheckpoint, model: Model): void {
  const maps = new Map((readForm(model)?.layers ?? []).map(({ map }) => [map.name, constantOf(map)]));
  for (const { map, sha256 } of starts) {
    const tensor = maps.get(map);
    const found = tensor && tensorSha256(tensor);
    if (found !== sha256) throw foreign(path, `the map '${map}' that training began with`, sha256, found);
  }
}

/** The tensors of the checkpoint; with another optimizer, fresh ones in place of what the old one kept. */
function withoutOptimizer(
  stored: StoredCheckpoint,
  { tensors, lost }: Converted,
  step: TrainStep,
  listener: Listener,
): ReadonlyMap<string, Tensor> {
  const switched = stored.optimizer !== describeOptimizer(step);
  if (!switched && lost.length === 0) return tensors;
  const kept = new Map(tensors);
  const another = switched && kindOf(stored.optimizer) !== step.optimizer.kind;
  const fresh: string[] = [];
  for (const s of step.state) {
    if (s.kind === 'parameter' || s.kind === 'running') continue;
    const key = keyOf(s);
    if (s.kind === 'average') {
      // An average that the step's form cannot hold begins at the weights.
      const weight = kept.get(s.name);
      if (!kept.has(key) && weight) kept.set(key, weight);
    } else if (another || !kept.has(key)) {
      kept.set(key, fromState(s, s.initial));
      fresh.push(key);
    }
  }
  const why = switched
    ? `the optimizer was ${stored.optimizer}, is ${describeOptimizer(step)}`
    : 'not all of the state has a counterpart';
  listener({
    type: 'log',
    level: 'warning',
    message: `${stored.phase}: ${why}; ${fresh.length === 0 ? 'its state goes on' : `${fresh.length} tensors of its state begin at their start (${fresh.slice(0, 3).join(', ')}${fresh.length > 3 ? ', …' : ''})`}`,
  });
  return kept;
}

function kindOf(optimizer: string): string | undefined {
  try {
    const value: unknown = JSON.parse(optimizer);
    return typeof value === 'object' && value !== null && 'kind' in value ? String(value.kind) : undefined;
  } catch {
    return undefined;
  }
}

function tell(
  { phase, step }: StoredCheckpoint,
  { toGram, toExplicit }: Converted,
  listener: Listener,
): void {
  for (const [layers, form] of [
    [toGram, 'the Gram form'],
    [toExplicit, 'explicit maps'],
  ] as const)
    if (layers.length > 0)
      listener({
        type: 'log',
        level: 'info',
        message: `${phase}: from step ${step} on ${form} in ${layers.length} layers, converted from the checkpoint's`,
      });
}
