/**
 * Counter-based randomness: every random choice of the project is a pure function of a seed and of what it is for
 * (`randomFor(seed, 'augment', epoch, index)`), never of a generator that two consumers share. So the order in which
 * workers finish, or a resume in the middle of a run, cannot change a result.
 */
export interface Random {
  /** Uniform in [0, 1), 53 bits. */
  next(): number;
  /** Uniform integer in [0, n). */
  int(n: number): number;
  /** Standard normal (Box-Muller). */
  normal(): number;
}

/** Mixes a seed with numbers and labels into 64 bits, returned as two uint32 (splitmix-style avalanche per part). */
function mix(parts: readonly (number | string)[]): [number, number] {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  const absorb = (v: number): void => {
    a = Math.imul(a ^ v, 0x85ebca6b);
    a ^= a >>> 13;
    b = Math.imul(b ^ (a + v), 0xc2b2ae35);
    b ^= b >>> 16;
    a = (a + b) | 0;
  };
  for (const part of parts) {
    if (typeof part === 'number') {
      absorb(part | 0);
      absorb(Math.floor(part / 4294967296) | 0);
    } else {
      for (let i = 0; i < part.length; i++) absorb(part.charCodeAt(i));
      absorb(0x10000 + part.length);
    }
  }
  absorb(parts.length);
  return [a >>> 0, b >>> 0];
}

/** A generator (sfc32) seeded by everything its stream depends on. */
export function randomFor(...parts: readonly (number | string)[]): Random {
  let [a, b] = mix(parts);
  let c = a ^ 0x5bd1e995;
  let counter = 1;
  const u32 = (): number => {
    const t = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t;
    return t >>> 0;
  };
  for (let i = 0; i < 12; i++) u32();
  const next = (): number => ((u32() >>> 5) * 67108864 + (u32() >>> 6)) / 9007199254740992;
  return {
    next,
    int: (n) => Math.floor(next() * n),
    normal: () => {
      const r = Math.sqrt(-2 * Math.log(1 - next()));
      return r * Math.cos(2 * Math.PI * next());
    },
  };
}

/** A permutation of 0..n-1 (Fisher-Yates), a function of its seed parts only. */
export function permutation(n: number, ...parts: readonly (number | string)[]): Uint32Array {
  const random = randomFor('permutation', ...parts);
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = random.int(i + 1);
    const t = order[i];
    order[i] = order[j];
    order[j] = t;
  }
  return order;
}
