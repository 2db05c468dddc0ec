/**
 * Flags as data: what a command line may say, how its text becomes a value, and what stands in the help. Keys are the
 * library's option names; the flag is their kebab-case form, so that a table typed with {@link FlagsFor} stops
 * compiling when the library gains an option that the command line does not offer.
 */

/** How a flag's text becomes a value; `expected` completes "expected …" in help and errors. */
export interface Kind<T> {
  readonly expected: string;
  /** What stands for the value in the synopsis, e.g. `FILE`. */
  readonly placeholder: string;
  /** Undefined: the text is no such value. */
  readonly parse: (text: string) => T | undefined;
  readonly choices?: readonly string[];
  /** Takes no value: giving the flag means true. */
  readonly toggle?: true;
  /** May be given several times; `parse` sees each text, and the values are collected. */
  readonly repeated?: true;
}

export interface Flag<T> {
  readonly kind: Kind<T>;
  readonly describe: string;
  readonly group: string;
  readonly alias?: string;
  readonly default?: T;
  /** Given must it be, or an error names it. */
  readonly required?: true;
  /** A toggle that is on unless `--no-NAME` is given. */
  readonly negative?: true;
}

/** A flag that may be absent from the parsed values. */
export interface MaybeFlag<T> extends Flag<T> {
  readonly maybe: true;
}

export type Flags = Readonly<Record<string, Flag<never> | Flag<unknown>>>;

type Optional<O> = { [K in keyof O]-?: undefined extends O[K] ? K : never }[keyof O];

/** One flag for each option of the library's type `O`, of the same type; optional ones may stay absent. */
export type FlagsFor<O> = {
  readonly [K in keyof O]-?: K extends Optional<O>
    ? MaybeFlag<Exclude<O[K], undefined>>
    : Flag<Exclude<O[K], undefined>>;
};

/** The values a table of flags parses to. */
export type Values<F> = {
  readonly [K in keyof F as F[K] extends { readonly maybe: true } ? never : K]: F[K] extends Flag<infer T>
    ? T
    : never;
} & {
  readonly [K in keyof F as F[K] extends { readonly maybe: true } ? K : never]?: F[K] extends Flag<infer T>
    ? T
    : never;
};

/** `mapKernel` → `map-kernel`. */
export function kebab(key: string): string {
  return key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
}

/** The name on the command line, without dashes. */
export function flagName(key: string, flag: { readonly negative?: true }): string {
  return flag.negative ? `no-${kebab(key)}` : kebab(key);
}

export function text(placeholder: string, expected = 'a text'): Kind<string> {
  return { expected, placeholder, parse: (s) => (s === '' ? undefined : s) };
}

/** A decimal number, not NaN or infinite, within limits. */
export function number(limits: {
  readonly atLeast?: number;
  readonly above?: number;
  readonly atMost?: number;
  readonly below?: number;
}): Kind<number> {
  const words = [
    limits.above === undefined ? undefined : `> ${limits.above}`,
    limits.atLeast === undefined ? undefined : `>= ${limits.atLeast}`,
    limits.below === undefined ? undefined : `< ${limits.below}`,
    limits.atMost === undefined ? undefined : `<= ${limits.atMost}`,
  ].filter((w) => w !== undefined);
  return {
    expected: ['a number', words.join(' and ')].filter(Boolean).join(' '),
    placeholder: 'X',
    parse: (s) => {
      const v = decimal(s);
      if (v === undefined) return undefined;
      if (limits.above !== undefined && !(v > limits.above)) return undefined;
      if (limits.atLeast !== undefined && !(v >= limits.atLeast)) return undefined;
      if (limits.below !== undefined && !(v < limits.below)) return undefined;
      if (limits.atMost !== undefined && !(v <= limits.atMost)) return undefined;
      return v;
    },
  };
}

/** A whole number from `least` on; `odd` refuses even ones. */
export function integer(
  least: number,
  options: { readonly most?: number; readonly odd?: true } = {},
): Kind<number> {
  const { most, odd } = options;
  return {
    expected: `${odd ? 'an odd' : 'a whole'} number ${most === undefined ? `>= ${least}` : `from ${least} to ${most}`}`,
    placeholder: 'N',
    parse: (s) => {
      const v = decimal(s);
      if (v === undefined || !Number.isSafeInteger(v) || v < least || (most !== undefined && v > most))
        return undefined;
      return odd && v % 2 === 0 ? undefined : v;
    },
  };
}

/** One of a few words. */
export function oneOf<const C extends readonly string[]>(...choices: C): Kind<C[number]> {
  return {
    expected: choices.length === 1 ? choices[0] : `one of ${choices.join(', ')}`,
    placeholder: choices.join('|'),
    parse: (s) => choices.find((c) => c === s),
    choices,
  };
}

/** `auto`, or what the other kind takes. */
export function autoOr<T>(kind: Kind<T>): Kind<'auto' | T> {
  return {
    expected: `auto, or ${kind.expected}`,
    placeholder: `auto|${kind.placeholder}`,
    parse: (s) => (s === 'auto' ? s : kind.parse(s)),
  };
}

export const toggle: Kind<boolean> = {
  expected: 'no value',
  placeholder: '',
  parse: (s) => (s === 'true' ? true : s === 'false' ? false : undefined),
  toggle: true,
};

/** Numbers between commas, ascending. */
export const ascending: Kind<readonly number[]> = {
  expected: 'ascending numbers >= 0 between commas, such as 60,120,160',
  placeholder: 'N,N,…',
  parse: (s) => {
    const values: number[] = [];
    for (const part of s.split(',')) {
      const v = decimal(part.trim());
      if (v === undefined || v < 0 || v <= (values.at(-1) ?? -1)) return undefined;
      values.push(v);
    }
    return values;
  },
};

/** Texts, the flag given once for each. */
export function texts(placeholder: string, expected: string): Kind<readonly string[]> {
  return { expected, placeholder, parse: (s) => (s === '' ? undefined : [s]), repeated: true };
}

/** A decimal number, not NaN or infinite. */
export function decimal(s: string): number | undefined {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(s)) return undefined;
  const v = Number(s);
  return Number.isFinite(v) ? v : undefined;
}
