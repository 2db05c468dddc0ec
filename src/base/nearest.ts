/**
 * Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours that turn `a` into
 * `b`, case ignored.
 */
export function editDistance(a: string, b: string): number {
  const s = a.toLowerCase();
  const t = b.toLowerCase();
  let before: number[] = [];
  let last = Array.from({ length: t.length + 1 }, (_, j) => j);
  for (let i = 1; i <= s.length; i++) {
    const row = [i];
    for (let j = 1; j <= t.length; j++) {
      const same = s[i - 1] === t[j - 1] ? 0 : 1;
      let best = Math.min(row[j - 1] + 1, last[j] + 1, last[j - 1] + same);
      if (i > 1 && j > 1 && s[i - 1] === t[j - 2] && s[i - 2] === t[j - 1])
        best = Math.min(best, before[j - 2] + 1);
      row.push(best);
    }
    before = last;
    last = row;
  }
  return last[t.length];
}

/**
 * The candidate a user most likely meant, or undefined when none is close: at most a third of the longer word is
 * edited, or one of the two begins with the other (3 letters at least). Ties go to the earlier candidate.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestScore = Number.POSITIVE_INFINITY;
  const lower = word.toLowerCase();
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate);
    const other = candidate.toLowerCase();
    const prefix =
      Math.min(lower.length, other.length) >= 3 && (other.startsWith(lower) || lower.startsWith(other));
    const limit = Math.max(1, Math.floor(Math.max(lower.length, other.length) / 3));
    if (!prefix && distance > limit) continue;
    // A prefix counts as one edit, so that `--epoch` means --epochs and `mobilenet` some mobilenet.
    const score = prefix ? Math.min(distance, 1 + distance / 1000) : distance;
    if (score < bestScore) {
      best = candidate;
      bestScore = score;
    }
  }
  return best;
}

/** `did you mean --epochs?`, or undefined: a hint for an error. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const found = nearest(word, candidates);
  return found === undefined ? undefined : `did you mean ${found}?`;
}
