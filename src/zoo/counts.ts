import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { EnvironmentError } from '../base/errors.js';
import { countModel, type ModelCount } from '../onnx/index.js';
import { assetsFolder } from './checkpoints.js';
import type { CountingRule, ZooEntry } from './entry.js';

const countSchema = z.object({
  /** Of the layers; weights, biases, BatchNormalization scale and bias. */
  parameters: z.number().int(),
  /** That the network has and never applies. */
  unusedParameters: z.number().int(),
  /** Of convolutions and matrix products, without biases, for one image of the published size. */
  multAdds: z.number().int(),
});

/** Exact counts of a network of the zoo as it is published. */
export type ZooCount = z.infer<typeof countSchema>;

/** Builds the network and counts it. */
export function countEntry(entry: ZooEntry): ZooCount {
  const { parameters, unusedParameters, multAdds } = countModel(entry.build({}));
  return { parameters, unusedParameters, multAdds };
}

/** Parameters, those that no layer uses among them, and mult-adds, as somebody counted who follows this rule. */
export function countedBy(
  rule: CountingRule,
  found: ModelCount,
): { readonly parameters: number; readonly multAdds: number } {
  let parameters = found.parameters + found.unusedParameters;
  let { multAdds } = found;
  for (const layer of found.layers) {
    if (rule === 'without-bn' && layer.op === 'BatchNormalization') parameters -= layer.parameters;
    if (rule === 'convolutions' && layer.op !== 'Conv') multAdds -= layer.multAdds ?? 0;
  }
  return { parameters, multAdds };
}

/**
 * Counts of these networks: as `scripts/docs-zoo.mjs` wrote them down, because building a hundred networks takes seconds;
 * one that is not in the file is counted now.
 * @throws EnvironmentError when that file is damaged
 */
export function zooCounts(
  entries: readonly ZooEntry[],
  assets = assetsFolder(),
): ReadonlyMap<ZooEntry, ZooCount> {
  const written = readCounts(join(assets, 'zoo', 'counts.json'));
  return new Map(
    entries.map((entry) => [
      entry,
      Object.hasOwn(written, entry.name) ? written[entry.name] : countEntry(entry),
    ]),
  );
}

function readCounts(path: string): Readonly<Record<string, ZooCount>> {
  if (!existsSync(path)) return {};
  try {
    return z.record(z.string(), countSchema).parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (cause) {
    throw new EnvironmentError({ problem: `${path} is damaged`, hint: 'install reparam again', cause });
  }
}
