/** What training scripts and wrappers (DataParallel, DistributedDataParallel, Lightning, torch.compile) put before names. */
const PREFIXES = ['module.', 'model.', 'net.', 'network.', 'state_dict.', '_orig_mod.', 'backbone.'] as const;

/** Each name, and what is left of it without prefixes that all names share. */
export function withoutPrefixes(names: readonly string[]): Map<string, string> {
  let length = 0;
  for (;;) {
    const prefix = PREFIXES.find((p) => names.every((name) => name.startsWith(p, length)));
    if (prefix === undefined || names.length === 0)
      return new Map(names.map((name) => [name, name.slice(length)]));
    length += prefix.length;
  }
}
