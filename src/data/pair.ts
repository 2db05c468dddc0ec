import { InputError, UsageError } from '../base/errors.js';
import { permutation } from '../base/random.js';
import { type Dataset, SubsetDataset } from './dataset.js';
import { findPlace, openDataset } from './open.js';
import { sharedImages } from './overlap.js';

export interface TrainEval {
  readonly train: Dataset;
  readonly eval: Dataset;
  /** Every evaluation image is a training image: the accuracy says nothing about new images. */
  readonly coincide: boolean;
  /** Evaluation images that are training images too (estimated from a sample where there are very many). */
  readonly shared: number;
  /** How the two came about, for people. */
  readonly how: string;
}

export interface TrainEvalOptions {
  /** Names both sets: a train/val folder pair, the records' own test files, or one set that is split. */
  readonly data?: string;
  /** Name the two apart; each goes before `data`. */
  readonly train?: string;
  readonly eval?: string;
  /**
   * Of the split, where there is one. It belongs to the data and not to a run: runs that are compared, and a checkpoint
   * that is trained further, need the same one. default 0
   */
  readonly seed?: number;
}

/** Part of each class that a split keeps for evaluation. */
const EVAL_PART = 0.2;

/**
 * Splits one set in two, 80 to 20 in each class: at least one of a class that has two images, none of a class with one.
 * @throws InputError when nothing is left for evaluation
 */
export function splitDataset(set: Dataset, seed: number): { train: Dataset; eval: Dataset } {
  const byClass = new Map<number, number[]>();
  for (let i = 0; i < set.length; i++) {
    const label = set.label(i);
    const list = byClass.get(label);
    if (list) list.push(i);
    else byClass.set(label, [i]);
  }
  const kept = new Uint8Array(set.length);
  let count = 0;
  for (const [label, members] of byClass) {
    const order = permutation(members.length, seed, 'split', label);
    const take = members.length < 2 ? 0 : Math.max(1, Math.round(members.length * EVAL_PART));
    for (let i = 0; i < take; i++) kept[members[order[i]]] = 1;
    count += take;
  }
  if (count === 0)
    throw new InputError({
      problem: `${set.name} cannot be split into training and evaluation images`,
      expected: 'a class with two images or more',
      found: `${set.length} images of ${byClass.size} classes`,
      hint: 'name the evaluation set with --eval',
    });
  const some = (wanted: number): Uint32Array =>
    Uint32Array.from(Array.from(kept.keys()).filter((i) => kept[i] === wanted));
  return {
    train: new SubsetDataset(set, some(0), `${set.name} (80 % of each class)`),
    eval: new SubsetDataset(set, some(1), `${set.name} (20 % of each class)`),
  };
}

/**
 * Opens the training and the evaluation set.
 * @throws UsageError when a set is not named; InputError when the two have different classes
 */
export async function openTrainEval(options: TrainEvalOptions): Promise<TrainEval> {
  const { data, seed = 0 } = options;
  if (options.train === undefined && options.eval === undefined && data !== undefined)
    return finish(await openBoth(data, seed));
  const train = options.train ?? data;
  const evaluation = options.eval ?? data;
  if (train === undefined || evaluation === undefined)
    throw new UsageError({
      problem: train === undefined ? 'no training data' : 'no evaluation data',
      expected: '--data for both sets, or --train and --eval',
    });
  const first = await openDataset(train, { role: 'train' });
  const { classNames } = first;
  const second = await openDataset(evaluation, { role: 'eval', ...(classNames && { classNames }) });
  return finish({ train: first, eval: second, how: `named apart: ${train} and ${evaluation}` });
}

async function openBoth(spec: string, seed: number): Promise<Omit<TrainEval, 'coincide' | 'shared'>> {
  const place = await findPlace(spec);
  if (place.parts.train && place.parts.eval)
    return { train: await place.open('train'), eval: await place.open('eval'), how: place.how };
  const set = await place.open('all');
  return {
    ...splitDataset(set, seed),
    how: `a split of the one set there is, 80 % training and 20 % evaluation in each class, seed ${seed}`,
  };
}

async function finish(sets: Omit<TrainEval, 'coincide' | 'shared'>): Promise<TrainEval> {
  const { train, eval: evaluation } = sets;
  requireSameClasses(train, evaluation);
  const shared = await sharedImages(train, evaluation);
  const coincide = shared === evaluation.length;
  const note = coincide
    ? '; they coincide: every evaluation image is a training image'
    : shared > 0
      ? `; ${shared} of ${evaluation.length} evaluation images are training images too`
      : '';
  return { ...sets, shared, coincide, how: sets.how + note };
}

function requireSameClasses(train: Dataset, evaluation: Dataset): void {
  const names = train.classNames;
  const others = evaluation.classNames;
  const differs = names && others ? others.findIndex((name, i) => name !== names[i]) : -1;
  if (evaluation.classes <= train.classes && differs < 0) return;
  throw new InputError({
    problem: `the evaluation set ${evaluation.name} does not have the classes of the training set ${train.name}`,
    expected:
      differs < 0 ? `at most ${train.classes} classes` : `class ${differs} to be '${names?.[differs]}'`,
    found: differs < 0 ? `${evaluation.classes}` : `'${others?.[differs]}'`,
  });
}
