import { fixedMap, type NameMap } from './naming.js';
import { type BlockNames, timmBlocks } from './timm-blocks.js';

const BLOCKS: BlockNames = {
  path: (stage, block) => `features.${stage + 1}.${block}.block`,
  layer: (path, number) => [`${path}.${number}.0`, `${path}.${number}.1`],
  rest: () => [
    [/^conv_stem\.(\w+)$/, 'features.0.0.$1'],
    [/^bn1\.(\w+)$/, 'features.0.1.$1'],
    [/^conv_head\.(\w+)$/, 'features.8.0.$1'],
    [/^bn2\.(\w+)$/, 'features.8.1.$1'],
    [/^classifier\.(\w+)$/, 'classifier.1.$1'],
  ],
};

const TIMM: NameMap = timmBlocks(BLOCKS, { adjust: { epsilon: 1e-5 } });
const TIMM_TF: NameMap = timmBlocks(BLOCKS, { adjust: { epsilon: 1e-3, padding: 'same' } });

/** `block2b_…`: stage 2, the second block. */
const block = (letter: string): number => letter.charCodeAt(0) - 'a'.charCodeAt(0);

const KERAS: NameMap = {
  adjust: { epsilon: 1e-3, padding: 'same' },
  preprocess: 'imagenet',
  // Mean and variance of the input's channels: part of our preprocessing.
  ignored: /^normalization(_\d+)?\./,
  rename: (names) => {
    // Blocks of stage 1 do not expand, so that their layers have lower numbers.
    const place = (stage: string, letter: string, number: number): string => {
      const expands = names.some((name) => name.startsWith(`block${stage}${letter}_expand_conv.`));
      return `features.${stage}.${block(letter)}.block.${expands ? number : number - 1}`;
    };
    return fixedMap([
      [/^stem_conv\.(\w+)$/, 'features.0.0.$1'],
      [/^stem_bn\.(\w+)$/, 'features.0.1.$1'],
      [/^block(\d)([a-z])_expand_conv\.(\w+)$/, (s, b, v) => `${place(s, b, 0)}.0.${v}`],
      [/^block(\d)([a-z])_expand_bn\.(\w+)$/, (s, b, v) => `${place(s, b, 0)}.1.${v}`],
      [/^block(\d)([a-z])_dwconv\.(\w+)$/, (s, b, v) => `${place(s, b, 1)}.0.${v}`],
      [/^block(\d)([a-z])_bn\.(\w+)$/, (s, b, v) => `${place(s, b, 1)}.1.${v}`],
      [/^block(\d)([a-z])_se_reduce\.(\w+)$/, (s, b, v) => `${place(s, b, 2)}.fc1.${v}`],
      [/^block(\d)([a-z])_se_expand\.(\w+)$/, (s, b, v) => `${place(s, b, 2)}.fc2.${v}`],
      [/^block(\d)([a-z])_project_conv\.(\w+)$/, (s, b, v) => `${place(s, b, 3)}.0.${v}`],
      [/^block(\d)([a-z])_project_bn\.(\w+)$/, (s, b, v) => `${place(s, b, 3)}.1.${v}`],
      [/^top_conv\.(\w+)$/, 'features.8.0.$1'],
      [/^top_bn\.(\w+)$/, 'features.8.1.$1'],
      [/^(?:predictions|probs)\.(\w+)$/, 'classifier.1.$1'],
    ]).rename(names);
  },
};

export const EFFICIENTNET = { timm: TIMM, 'timm-tf': TIMM_TF, keras: KERAS } as const;
