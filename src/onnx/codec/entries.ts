import type { EntryMessage, Int64, OpsetMessage } from './messages.js';
import { changed, fromBigInt, toBigInt } from './messages.js';

/** Key-value pairs as a map; of a key given twice the first value counts, as in the reference tools. */
export function readEntries(entries: readonly EntryMessage[] | undefined, into: Map<string, string>): void {
  for (const { key = '', value = '' } of entries ?? []) if (!into.has(key)) into.set(key, value);
}

/**
 * Writes a map as pairs: those of the file that still hold come back as they were, in their order and with all the file
 * said, repeated keys included; new keys follow.
 */
export function writeEntries(
  map: ReadonlyMap<string, string>,
  file: readonly EntryMessage[] | undefined,
): EntryMessage[] {
  const out: EntryMessage[] = [];
  const seen = new Set<string>();
  for (const entry of file ?? []) {
    const key = entry.key ?? '';
    const value = map.get(key);
    if (value === undefined) continue;
    if (seen.has(key)) out.push(entry);
    else out.push((entry.value ?? '') === value ? entry : changed(entry, { value }));
    seen.add(key);
  }
  for (const [key, value] of map) if (!seen.has(key)) out.push({ key, value });
  return out;
}

/** ai.onnx is the long name of the default domain. */
export function shortDomain(domain: string | undefined): string {
  return domain === undefined || domain === 'ai.onnx' ? '' : domain;
}

/** The same for operator sets. */
export function writeOpsets(
  opsets: ReadonlyMap<string, number>,
  file: readonly OpsetMessage[] | undefined,
): OpsetMessage[] {
  const out: OpsetMessage[] = [];
  const seen = new Set<string>();
  for (const entry of file ?? []) {
    const domain = shortDomain(entry.domain);
    const version = opsets.get(domain);
    if (version === undefined || seen.has(domain)) continue;
    seen.add(domain);
    out.push(
      toBigInt(entry.version) === BigInt(version) ? entry : changed(entry, { version: int64(version) }),
    );
  }
  for (const [domain, version] of opsets)
    if (!seen.has(domain)) out.push({ domain, version: int64(version) });
  return out;
}

function int64(v: number): Int64 {
  return fromBigInt(BigInt(v));
}
