/** How other packages name weights, and what some of their networks compute. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { ZooOptions } from '../../src/zoo/index.js';

/** What scripts/record-weight-names.py writes. */
export type Recorded = readonly [
  network: string,
  options: ZooOptions,
  tensors: readonly (readonly [name: string, dims: readonly number[]])[],
  outputs?: readonly [size: number, logits: readonly number[]],
];

/** Every network of `torchvision`, `timm` or `keras`, by the package's name for it. */
export function recorded(source: string): [name: string, network: Recorded][] {
  const file = fileURLToPath(new URL(`../fixtures/weights/names-${source}.json.gz`, import.meta.url));
  const networks: Record<string, Recorded> = JSON.parse(gunzipSync(readFileSync(file)).toString());
  return Object.entries(networks);
}
