/**
 * timm's networks of mobile blocks name layers by their role (`blocks.2.0.conv_pwl`); torchvision, and so the zoo, numbers
 * them. A block without expansion has `conv_dw`, `conv_pw`; one with has `conv_pw`, `conv_dw`, `conv_pwl`; squeeze-and-excite
 * stands before the last.
 */
import { byRules, type NameMap, type Rule, type Target } from './naming.js';

/** A layer of a block: a convolution with its normalization, or a squeeze-and-excite. */
interface Layer {
  /** Names of the convolution and the normalization, or `se`. */
  readonly parts: readonly [conv: string, norm: string] | 'se';
}

const PLAIN: readonly Layer[] = [
  { parts: ['conv_dw', 'bn1'] },
  { parts: 'se' },
  { parts: ['conv_pw', 'bn2'] },
];
const EXPANDED: readonly Layer[] = [
  { parts: ['conv_pw', 'bn1'] },
  { parts: ['conv_dw', 'bn2'] },
  { parts: 'se' },
  { parts: ['conv_pwl', 'bn3'] },
];

export interface BlockNames {
  /** Where a block's layers are: by stage and number in it, and by number in the whole network. */
  readonly path: (stage: number, block: number, index: number) => string;
  /** Of layer `number` of `count`, its convolution and normalization. */
  readonly layer: (path: string, number: number, count: number) => readonly [conv: string, norm: string];
  /** Rules for what is in no block; `blocks` is how many there are. */
  readonly rest: (blocks: number) => readonly Rule[];
}

const BLOCK = /^blocks\.(\d+)\.(\d+)\.(.+)$/;

/** The map of such a network. */
export function timmBlocks(names: BlockNames, more: Omit<NameMap, 'rename'> = {}): NameMap {
  return {
    ...more,
    rename: (keys) => {
      const renamed = new Map<string, Target>();
      const blocks = blocksOf(keys);
      for (const [index, { stage, block, keys: inner }] of blocks.entries()) {
        const has = (part: string): boolean => inner.some((key) => key.startsWith(`${part}.`));
        const kind = has('conv_pwl') ? EXPANDED : PLAIN;
        const layers = kind.filter(({ parts }) => has(parts === 'se' ? 'se' : parts[0]));
        const path = names.path(stage, block, index);
        const rules = layers.flatMap(({ parts }, number): Rule[] => {
          const [conv, norm] = names.layer(path, number, layers.length);
          if (parts === 'se') {
            // torchvision's squeeze-and-excite takes the number itself.
            const place = conv.replace(/\.0$/, '');
            return [
              [/^se\.conv_reduce\.(\w+)$/, `${place}.fc1.$1`],
              [/^se\.conv_expand\.(\w+)$/, `${place}.fc2.$1`],
            ];
          }
          return [
            [new RegExp(`^${parts[0]}\\.(\\w+)$`), `${conv}.$1`],
            [new RegExp(`^${parts[1]}\\.(\\w+)$`), `${norm}.$1`],
          ];
        });
        const rename = byRules(rules);
        for (const key of inner) {
          const target = rename(key);
          if (target) renamed.set(`blocks.${stage}.${block}.${key}`, target);
        }
      }
      const rest = byRules(names.rest(blocks.length));
      return (key) => renamed.get(key) ?? rest(key);
    },
  };
}

interface Block {
  readonly stage: number;
  readonly block: number;
  readonly keys: string[];
}

/** The mobile blocks, in order. A last stage of one convolution (`blocks.6.0.conv`) is none. */
function blocksOf(keys: readonly string[]): Block[] {
  const blocks = new Map<string, Block>();
  for (const key of keys) {
    const [, stage, block, rest] = BLOCK.exec(key) ?? [];
    if (rest === undefined) continue;
    const path = `${stage}.${block}`;
    const found = blocks.get(path) ?? { stage: Number(stage), block: Number(block), keys: [] };
    found.keys.push(rest);
    blocks.set(path, found);
  }
  return [...blocks.values()]
    .filter(({ keys: inner }) => inner.some((key) => key.startsWith('conv_dw.')))
    .toSorted((a, b) => a.stage - b.stage || a.block - b.block);
}
