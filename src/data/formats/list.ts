import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { InputError } from '../../base/errors.js';
import { fileError } from '../../base/files.js';
import { type Dataset, FileDataset } from '../dataset.js';

/**
 * A text file with one image per line: path, tab, class index (UTF-8; blank lines and a first line of column names are
 * passed over). Paths are relative to the file. There are as many classes as the largest index says.
 */
const MAX_CLASSES = 1_000_000;

/** @throws InputError naming the line */
export async function openList(
  file: string,
  about: { readonly name: string; readonly spec: string },
): Promise<Dataset> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw fileError(file, 'reading list', cause);
  }
  const base = dirname(file);
  const paths: string[] = [];
  const labels: number[] = [];
  for (const [i, raw] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    const line = raw.replace(/\r$/, '');
    if (line.trim() === '') continue;
    const [path, label, ...more] = line.split('\t');
    const isIndex = /^\s*\d{1,9}\s*$/.test(label ?? '');
    if (i === 0 && label !== undefined && /^[a-z_ ]+$/i.test(label) && /^[a-z_ ]+$/i.test(path)) continue;
    if (!isIndex || path.trim() === '' || more.length > 0 || Number(label) >= MAX_CLASSES)
      throw new InputError({
        problem: `${file}, line ${i + 1}`,
        expected: `a path, a tab and a class index (0 to ${MAX_CLASSES - 1})`,
        found: line.length > 100 ? `${line.slice(0, 100)}…` : line,
      });
    paths.push(resolve(base, path));
    labels.push(Number(label));
  }
  if (paths.length === 0) throw new InputError({ problem: `${file} lists no images` });
  await requireSome(file, paths);
  const classes = labels.reduce((most, l) => Math.max(most, l + 1), 0);
  return new FileDataset({ ...about, classes }, paths, Int32Array.from(labels));
}

/** A list whose paths all lead nowhere is told at once, not after an epoch of skipped images. */
async function requireSome(file: string, paths: readonly string[]): Promise<void> {
  const step = Math.max(1, Math.floor(paths.length / 16));
  const probes = paths.filter((_, i) => i % step === 0);
  const there = await Promise.all(
    probes.map((path) =>
      stat(path).then(
        () => true,
        () => false,
      ),
    ),
  );
  if (there.some(Boolean)) return;
  throw new InputError({
    problem: `${file}: none of ${probes.length} images looked for is there`,
    found: `no file ${probes[0]}`,
    hint: 'paths are relative to the list',
  });
}
