import { decimal, type Kind } from './flags.js';

/** `NAME=WEIGHT`, the flag given once for each. */
export const weights: Kind<readonly { readonly name: string; readonly weight: number }[]> = {
  expected: 'a name, = and a number above 0, such as aux1=0.3',
  placeholder: 'NAME=WEIGHT',
  parse: (s) => {
    const at = s.lastIndexOf('=');
    const weight = decimal(s.slice(at + 1));
    return at < 1 || weight === undefined || !(weight > 0) ? undefined : [{ name: s.slice(0, at), weight }];
  },
  repeated: true,
};

/** The library's ParameterGroup, as the command line gives it. */
export interface Group {
  readonly pattern: string;
  readonly lr?: number;
  readonly decay?: number;
  readonly frozen?: true;
}

/** `PATTERN:lr=F,decay=W,frozen`, the flag given once for each; at least one setting. */
export const parameterGroups: Kind<readonly Group[]> = {
  expected: "a glob, a colon and settings between commas, such as '*.bias:lr=2,decay=0' or 'stem.*:frozen'",
  placeholder: 'GLOB:SETTINGS',
  parse: (s) => {
    const at = s.lastIndexOf(':');
    if (at < 1) return undefined;
    const found = s
      .slice(at + 1)
      .split(',')
      .map(setting);
    if (found.includes(undefined)) return undefined;
    const names = found.flatMap((f) => Object.keys(f ?? {}));
    if (new Set(names).size < names.length) return undefined;
    return [Object.assign({ pattern: s.slice(0, at) }, ...found)];
  },
  repeated: true,
};

function setting(text: string): Omit<Group, 'pattern'> | undefined {
  const [name, value, more] = text.trim().split('=');
  if (more !== undefined) return undefined;
  if (name === 'frozen') return value === undefined ? { frozen: true } : undefined;
  const number = value === undefined ? undefined : decimal(value);
  if (number === undefined || number < 0) return undefined;
  if (name === 'decay') return { decay: number };
  return name === 'lr' && number > 0 ? { lr: number } : undefined;
}
