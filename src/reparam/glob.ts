/** Matches a whole name: `*` stands for any run of characters (`/` and `.` included), `?` for one. */
export function globMatcher(patterns: readonly string[]): (name: string) => boolean {
  const expressions = patterns.map(
    (p) =>
      new RegExp(
        `^${p
          .replace(/[.+^${}()|[\]\\]/g, '\\$&')
          .replace(/\*+/g, '.*')
          .replace(/\?/g, '.')}$`,
        's',
      ),
  );
  return (name) => expressions.some((e) => e.test(name));
}
