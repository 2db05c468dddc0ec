import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../base/errors.js';
import { fileError } from '../../base/files.js';
import { didYouMean } from '../../base/nearest.js';
import { type Dataset, FileDataset } from '../dataset.js';
import { byName, listFolder } from './folder.js';

/**
 * torchvision's ImageFolder: one folder per class, classes numbered in sorted order, images at any depth below (links
 * followed), sorted by folder and name. A folder that has `train` and one of `val`, `valid`, `validation`, `test` with
 * class folders in them is a pair of sets; both then use the classes of `train`.
 */
const EXTENSIONS = /\.(jpg|jpeg|png|ppm|bmp|pgm|tif|tiff|webp)$/i;
const EVAL_NAMES = ['val', 'valid', 'validation', 'test'];
const MAX_DEPTH = 16;

export interface FolderParts {
  readonly train: string | undefined;
  readonly eval: string | undefined;
}

async function holdsClasses(dir: string): Promise<boolean> {
  const { folders, files } = await listFolder(dir);
  return folders.length > 0 && !files.some((f) => EXTENSIONS.test(f));
}

/** The two sets of a folder, or neither where it holds classes itself. @throws InputError */
export async function imageFolderParts(dir: string): Promise<FolderParts> {
  const { folders } = await listFolder(dir);
  const evaluation = EVAL_NAMES.find((name) => folders.includes(name));
  const none = { train: undefined, eval: undefined };
  if (!folders.includes('train') || !(await holdsClasses(join(dir, 'train')))) return none;
  if (evaluation && (await holdsClasses(join(dir, evaluation))))
    return { train: join(dir, 'train'), eval: join(dir, evaluation) };
  // `train` beside other folders is the class of that name.
  return folders.length === 1 ? { train: join(dir, 'train'), eval: undefined } : none;
}

/** Class folders, sorted. @throws InputError */
export async function classFolders(dir: string): Promise<string[]> {
  const { folders, files } = await listFolder(dir);
  if (folders.length > 0) return folders;
  const images = files.filter((f) => EXTENSIONS.test(f)).length;
  throw new InputError({
    problem: `${dir} has no class folders`,
    expected: 'one folder per class, with the images in them',
    found: images > 0 ? `${images} images that lie in it directly` : 'none',
    hint: 'sort the images into one folder per class, or name them in a list (list:FILE)',
  });
}

/** Images below a class folder in ImageFolder's order. */
async function imagesBelow(dir: string): Promise<string[]> {
  const byFolder: { dir: string; files: string[] }[] = [];
  const visit = async (at: string, above: readonly string[]): Promise<void> => {
    const identity = await stat(at).then(
      (s) => `${s.dev}:${s.ino}`,
      (cause: unknown) => {
        throw fileError(at, 'reading data folder', cause);
      },
    );
    if (above.includes(identity) || above.length > MAX_DEPTH)
      throw new InputError({
        problem: `${at}: folders are nested too deep`,
        found: above.includes(identity) ? 'a link to a folder above it' : `more than ${MAX_DEPTH} levels`,
      });
    const { folders, files } = await listFolder(at);
    byFolder.push({ dir: at, files: files.filter((f) => EXTENSIONS.test(f)) });
    for (const folder of folders) await visit(join(at, folder), [...above, identity]);
  };
  await visit(dir, []);
  return byFolder
    .sort((a, b) => byName(a.dir, b.dir))
    .flatMap((f) => f.files.map((name) => join(f.dir, name)));
}

/**
 * @param known class names that fix the numbering; the folder may lack some of them, and may have no others
 * @throws InputError for a class folder without images, and for a class that is not `known`
 */
export async function openImageFolder(
  dir: string,
  about: { readonly name: string; readonly spec: string },
  known?: readonly string[],
): Promise<Dataset> {
  const found = await classFolders(dir);
  const classNames = known ?? found;
  const number = new Map(classNames.map((name, i) => [name, i]));
  const paths: string[] = [];
  const labels: number[] = [];
  for (const name of found) {
    const label = number.get(name);
    const folder = join(dir, name);
    if (label === undefined) {
      const hint = didYouMean(name, classNames);
      throw new InputError({
        problem: `${folder}: the training set has no class '${name}'`,
        expected: `one of its ${classNames.length} classes`,
        ...(hint && { hint }),
      });
    }
    const images = await imagesBelow(folder);
    if (images.length === 0)
      throw new InputError({
        problem: `class folder ${folder} has no images`,
        expected: 'files ending in .jpg, .jpeg, .png, .ppm, .pgm, .bmp, .tif, .tiff or .webp',
        hint: 'remove the folder if it is no class',
      });
    for (const path of images) {
      paths.push(path);
      labels.push(label);
    }
  }
  return new FileDataset(
    { ...about, classes: classNames.length, classNames },
    paths,
    Int32Array.from(labels),
  );
}
