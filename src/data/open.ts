import { existsSync } from 'node:fs';
import { UsageError } from '../base/errors.js';
import { didYouMean } from '../base/nearest.js';
import type { Dataset } from './dataset.js';
import { type CIFAR, cifarParts, openCifar } from './formats/cifar.js';
import { idxParts, openIdx } from './formats/idx.js';
import { classFolders, imageFolderParts, openImageFolder } from './formats/imagefolder.js';
import { openList } from './formats/list.js';
import { openShapes, parseShapes } from './shapes/shapes.js';

/** What a set is wanted for. */
export type Role = 'train' | 'eval';

/** A place that has been looked at: the set or sets in it can be opened. */
export interface Place {
  readonly spec: string;
  /** The sets it keeps apart by itself; neither where everything in it is one set. */
  readonly parts: { readonly train: boolean; readonly eval: boolean };
  /** How it keeps them apart, for people. */
  readonly how: string;
  /**
   * Opens a part it has, or `all` there is.
   * @param classNames fixes the numbering of classes that are told apart by name
   */
  open(part: Role | 'all', classNames?: readonly string[]): Promise<Dataset>;
}

export const KINDS = ['shapes', 'imagefolder', 'list', 'cifar10', 'cifar100', 'idx'] as const;
type Kind = (typeof KINDS)[number];

const USE = {
  shapes: 'shapes or shapes:size=32,train=4096,eval=1024,seed=0',
  imagefolder: 'imagefolder:DIR',
  list: 'list:FILE',
  cifar10: 'cifar10:DIR',
  cifar100: 'cifar100:DIR',
  idx: 'idx:DIR',
} as const satisfies Record<Kind, string>;

const PLACES = {
  shapes: async (rest, spec) => {
    const options = parseShapes(rest);
    return {
      spec,
      parts: { train: true, eval: true },
      how: `generated: ${options.train} training and ${options.eval} other evaluation images`,
      open: async (part) => openShapes(options, part === 'all' ? 'train' : part, spec),
    };
  },
  imagefolder: async (dir, spec) => {
    const folders = await imageFolderParts(dir);
    return {
      spec,
      parts: { train: folders.train !== undefined, eval: folders.eval !== undefined },
      how: `the folders ${folders.train} and ${folders.eval}`,
      open: async (part, classNames) => {
        const at = (part === 'eval' ? folders.eval : folders.train) ?? dir;
        const known = part === 'eval' && folders.train ? await classFolders(folders.train) : classNames;
        return openImageFolder(at, { name: `imagefolder ${at}`, spec }, known);
      },
    };
  },
  list: async (file, spec) => ({
    spec,
    parts: { train: false, eval: false },
    how: '',
    open: () => openList(file, { name: `list ${file}`, spec }),
  }),
  cifar10: (dir, spec) => cifarPlace('cifar10', dir, spec),
  cifar100: (dir, spec) => cifarPlace('cifar100', dir, spec),
  idx: async (dir, spec) => {
    const { train, test } = await idxParts(dir);
    const files = { train, eval: test, all: [...train, ...test] };
    return {
      spec,
      parts: { train: train.length > 0, eval: test.length > 0 },
      how: `the training files and the test files of ${dir}`,
      open: (part) => openIdx(dir, files[part], { name: `idx ${dir}${suffix(part)}`, spec }),
    };
  },
} as const satisfies Record<Kind, (rest: string, spec: string) => Promise<Place>>;

async function cifarPlace(kind: keyof typeof CIFAR, dir: string, spec: string): Promise<Place> {
  const { train, test } = await cifarParts(dir);
  const files = { train, eval: test, all: [...train, ...test] };
  return {
    spec,
    parts: { train: train.length > 0, eval: test.length > 0 },
    how: `the training records and the test records of ${dir}`,
    open: (part) => openCifar(kind, dir, files[part], { name: `${kind} ${dir}${suffix(part)}`, spec }),
  };
}

function suffix(part: Role | 'all'): string {
  return part === 'all' ? '' : part === 'train' ? ' (training)' : ' (test)';
}

function isKind(kind: string): kind is Kind {
  return Object.hasOwn(PLACES, kind);
}

/** Reads a data spec and looks at what is there. @throws UsageError for an unknown spec; InputError for what is there */
export async function findPlace(spec: string): Promise<Place> {
  const colon = spec.indexOf(':');
  const kind = colon < 0 ? spec : spec.slice(0, colon);
  const rest = colon < 0 ? '' : spec.slice(colon + 1);
  if (!isKind(kind)) {
    const hint = existsSync(spec)
      ? `say what it is, for example imagefolder:${spec}`
      : didYouMean(kind, KINDS);
    throw new UsageError({
      problem: `data '${spec}': no such kind of data`,
      expected: Object.values(USE).join(', '),
      ...(hint && { hint }),
    });
  }
  if (kind !== 'shapes' && rest === '')
    throw new UsageError({ problem: `data '${spec}' does not say where`, expected: USE[kind] });
  return PLACES[kind](rest, spec);
}

export interface OpenOptions {
  /** Which of its two sets, where the place has two; else all there is. */
  readonly role: Role;
  /** Fixes the numbering of an imagefolder's classes, those of the training set for an evaluation set. */
  readonly classNames?: readonly string[];
}

/**
 * Opens a data set: `shapes[:size=…,train=…,eval=…,seed=…]`, `imagefolder:DIR`, `list:FILE`, `cifar10:DIR`,
 * `cifar100:DIR`, `idx:DIR`. Records are read and checked here; image files are read when they are wanted.
 * @throws UsageError, InputError, EnvironmentError
 */
export async function openDataset(spec: string, options: OpenOptions): Promise<Dataset> {
  const place = await findPlace(spec);
  return place.open(place.parts[options.role] ? options.role : 'all', options.classNames);
}
