/** How a package names the weights of a family, as data: each family has one map for each package that has it. */
import type { PREPROCESS_PRESETS } from '../../base/preprocess.js';
import type { ZooOptions } from '../entry.js';

/**
 * Who named the weights of a file. `zoo`: the names in our own files, which a PyTorch network of the same structure has too.
 * `timm-tf`: timm's ports of TensorFlow's weights, whose names begin with `tf_`: they are
 * called as timm's own, and need TensorFlow's padding and ε.
 */
export const NAMINGS = ['torchvision', 'timm', 'timm-tf', 'keras', 'zoo'] as const;
export type Naming = (typeof NAMINGS)[number];

/** In a sentence: names as … has them. */
export function namingText(naming: Naming): string {
  return naming === 'zoo' ? 'the zoo' : naming;
}

/** Where a tensor of a file goes. */
export interface Target {
  /** An initializer of ours. */
  readonly name: string;
  /** The same elements in the same order under other dims: a 1x1 convolution where we have a dense layer. */
  readonly reshape?: boolean;
}

/** What our graph needs besides weights to compute what the package does. */
export interface Adjustment {
  /** ε of every BatchNormalization. */
  readonly epsilon?: number;
  /**
   * TensorFlow's: windows with a stride are padded as little as possible, and more behind than before. `behind`: those of
   * depthwise convolutions by one pixel behind whatever the size, as Keras's MobileNet V1 does: 9 pixels become 4.
   */
  readonly padding?: 'same' | 'behind';
}

export interface NameMap {
  /**
   * Looks at all names of a file, prefixes taken off, and gives the rule for each; undefined: the name means nothing here.
   */
  readonly rename: (names: readonly string[]) => (name: string) => Target | undefined;
  readonly adjust?: Adjustment;
  /** Convolutions have biases where ours have none because a normalization follows; its mean takes them. */
  readonly foldsBias?: boolean;
  /** What our builder must be told to make the package's structure. */
  readonly options?: ZooOptions;
  /** How pixels become the input with the package's weights of this family; undefined: as our entry says. */
  readonly preprocess?: keyof typeof PREPROCESS_PRESETS;
  /** Names that may be left over: what our graph has elsewhere, or not at all, without a change in what it computes. */
  readonly ignored?: RegExp;
}

/** A pattern for whole names, and ours for it with `$1`, `$2`; or a function of the groups. */
export type Rule = readonly [
  pattern: RegExp,
  name: string | ((...groups: string[]) => string),
  how?: 'reshape',
];

/** The first rule that matches decides. */
export function byRules(rules: readonly Rule[]): (name: string) => Target | undefined {
  return (name) => {
    for (const [pattern, to, how] of rules) {
      const match = pattern.exec(name);
      if (!match) continue;
      const [whole, ...groups] = match;
      const renamed = typeof to === 'string' ? whole.replace(pattern, to) : to(...groups);
      return { name: renamed, ...(how === 'reshape' && { reshape: true }) };
    }
    return undefined;
  };
}

/** A map whose rules do not hang on what else is in the file. */
export function fixedMap(rules: readonly Rule[], more: Omit<NameMap, 'rename'> = {}): NameMap {
  const rename = byRules(rules);
  return { rename: () => rename, ...more };
}

/** The package's names are ours. */
export const SAME: NameMap = { rename: () => (name) => ({ name }) };
