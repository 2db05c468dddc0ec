/**
 * What R₀ of a layer in the Gram form is made from, so that a checkpoint need not hold a map: the seed of an expanded form, or
 * for a map that no seed explains (of a training form that was trained before) a file of its own beside the checkpoint.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { InputError } from '../../base/errors.js';
import { fileError, writeFileAtomic } from '../../base/files.js';
import { encodeSafetensors } from '../../importers/index.js';
import type { Model, Tensor } from '../../onnx/index.js';
import { readForm, startingMap, tensorSha256 } from '../../reparam/index.js';
import type { Phase } from '../events.js';
import type { GramLayer } from '../step/refocus.js';
import { digest } from './record.js';
import { decodeStored } from './stored.js';

const startSchema = z
  .object({
    /** The initializer that holds the map. */
    map: z.string(),
    /** Of R₀'s little-endian elements. */
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    from: z.union([
      z.object({ init: z.literal('zero') }).strict(),
      z.object({ init: z.literal('xavier'), seed: z.number().int() }).strict(),
      /** In the folder of the checkpoint; it holds the tensor under the map's name. */
      z.object({ file: z.string().regex(/^[\w.-]+$/) }).strict(),
    ]),
  })
  .strict();

export const startsSchema = z.array(startSchema);
export type Start = z.infer<typeof startSchema>;

/** Writes the maps that no seed explains into the run's checkpoint folder, and says what each R₀ is made from. */
export async function keepStarts(
  folder: string,
  phase: Phase,
  model: Model,
  gram: readonly GramLayer[],
): Promise<Start[]> {
  const records = new Map((readForm(model)?.layers ?? []).map((l) => [l.map.name, l.record]));
  const hashes = new Map(gram.map(({ map, r0 }) => [map, tensorSha256(r0)]));
  const unexplained = new Map<string, Tensor>();
  const explained = gram.flatMap(({ map, r0 }): Start[] => {
    const sha256 = hashes.get(map) ?? '';
    if (isZero(r0)) return [{ map, sha256, from: { init: 'zero' } }];
    const record = records.get(map);
    if (record?.init === 'xavier' && tensorSha256(startingMap(record)) === sha256)
      return [{ map, sha256, from: { init: 'xavier', seed: record.seed } }];
    unexplained.set(map, r0);
    return [];
  });
  if (unexplained.size === 0) return explained;
  // Named by its content: an earlier checkpoint may still need another.
  const content = digest(new Map([...unexplained.keys()].map((map) => [map, hashes.get(map) ?? ''])));
  const file = `${phase}-maps-${content.slice(0, 12)}.safetensors`;
  const path = startsPath(folder, file);
  if (!existsSync(path)) {
    await mkdir(join(folder, 'checkpoint'), { recursive: true }).catch((e) => {
      throw fileError(folder, 'creating', e);
    });
    await writeFileAtomic(path, encodeSafetensors(unexplained, { format: 'reparam-maps-1' }));
  }
  return gram.map(
    ({ map }) =>
      explained.find((s) => s.map === map) ?? { map, sha256: hashes.get(map) ?? '', from: { file } },
  );
}

/**
 * The maps that stand in files, by name.
 * @throws InputError when a file is missing, damaged, or holds another map
 */
export async function loadStarts(folder: string, starts: readonly Start[]): Promise<Map<string, Tensor>> {
  const maps = new Map<string, Tensor>();
  const files = new Map<string, ReadonlyMap<string, Tensor>>();
  for (const { map, sha256, from } of starts) {
    if (!('file' in from)) continue;
    const path = startsPath(folder, from.file);
    const tensors = files.get(path) ?? decodeStored(await read(path), path).tensors;
    files.set(path, tensors);
    const tensor = tensors.get(map);
    if (!tensor || tensorSha256(tensor) !== sha256)
      throw new InputError({
        problem: `${path} does not hold '${map}' as the checkpoint needs it`,
        expected: `sha256 ${sha256}`,
        found: tensor ? `sha256 ${tensorSha256(tensor)}` : 'no such tensor',
        hint: 'the file was replaced or damaged; start the run anew, without --resume',
      });
    maps.set(map, tensor);
  }
  return maps;
}

function startsPath(folder: string, file: string): string {
  return join(folder, 'checkpoint', file);
}

function read(path: string): Promise<Uint8Array> {
  return readFile(path).catch((e) => {
    throw fileError(path, 'reading', e);
  });
}

function isZero(tensor: Tensor): boolean {
  return tensor.bytes().every((byte) => byte === 0);
}
