import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Dataset } from './dataset.js';

/** At most so many pairs of files are read to see whether equal names and sizes mean equal images. */
const MAX_COMPARED = 2000;

async function contentHash(path: string): Promise<string | undefined> {
  const bytes = await readFile(path).catch(() => undefined);
  return bytes && createHash('sha1').update(bytes).digest('hex');
}

/**
 * How many samples of `b` are in `a` too. Images in memory are compared by a hash of their pixels; files by path, or by
 * name, size and then contents. (A renamed copy is not noticed, nor a record of an image that is also a file.)
 */
export async function sharedImages(a: Dataset, b: Dataset): Promise<number> {
  if (a.storage !== b.storage) return 0;
  const keys = await a.keys();
  const inA = new Map<string, number[]>();
  for (const [i, key] of keys.entries()) {
    const list = inA.get(key);
    if (list) list.push(i);
    else inA.set(key, [i]);
  }
  let shared = 0;
  const unsure: { path: string; others: string[] }[] = [];
  for (const [i, key] of (await b.keys()).entries()) {
    const matches = inA.get(key);
    if (matches === undefined) continue;
    const own = b.source(i);
    if (own.kind === 'pixels') {
      shared++;
      continue;
    }
    const others = matches.flatMap((m) => {
      const source = a.source(m);
      return source.kind === 'file' ? [source.path] : [];
    });
    if (others.includes(own.path)) shared++;
    else unsure.push({ path: own.path, others: others.slice(0, 8) });
  }
  const step = Math.max(1, Math.ceil(unsure.length / MAX_COMPARED));
  const probes = unsure.filter((_, i) => i % step === 0);
  let equal = 0;
  for (const { path, others } of probes) {
    const hash = await contentHash(path);
    for (const other of others)
      if (hash !== undefined && hash === (await contentHash(other))) {
        equal++;
        break;
      }
  }
  return shared + (probes.length === 0 ? 0 : Math.round((equal * unsure.length) / probes.length));
}
