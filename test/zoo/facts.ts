/** What a zoo network is, beside its numbers, as it was recorded from another implementation. */
import { describe, expect, test } from 'vitest';
import { buildModel, findEntry, type ZooOptions } from '../../src/zoo/index.js';
import { type Facts, factsOf, namesDigest } from './support.js';

const known = new Map<string, Facts>();

/** Each network is built once. */
export function facts(name: string, options: ZooOptions = {}): Facts {
  const key = `${findEntry(name).name} ${JSON.stringify(options)}`;
  const found = known.get(key) ?? factsOf(buildModel(name, options));
  known.set(key, found);
  return found;
}

export type Recorded = readonly [
  name: string,
  options: ZooOptions,
  /** numel of the parameters, registered but not applied ones included. */
  parameters: number,
  /** Output numel × weights per output, summed over every Conv2d and Linear by forward hooks. */
  multAdds: number,
  /** Of the state dict without num_batches_tracked. */
  entries: number,
  /** {@link namesDigest} */
  digest: string,
];

/** Holds builders to what was recorded from PyTorch models. */
export function checkRecorded(title: string, rows: readonly Recorded[]): void {
  describe(title, () => {
    test.each(rows)(
      '%s %j: %i parameters, %i mult-adds',
      (name, options, parameters, multAdds, entries, digest) => {
        const found = facts(name, options);
        expect(found.count).toMatchObject({ multAdds, weightMultAdds: 0, uncounted: [] });
        expect(found.count.parameters + found.count.unusedParameters).toBe(parameters);
        expect(found.weights).toHaveLength(entries);
        expect(namesDigest(found)).toBe(digest);
      },
    );
  });
}
