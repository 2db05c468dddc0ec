import { fixedMap, type NameMap } from './naming.js';
import { type BlockNames, timmBlocks } from './timm-blocks.js';

const BLOCKS: BlockNames = {
  path: (_stage, _block, index) => `features.${index + 1}.block`,
  layer: (path, number) => [`${path}.${number}.0`, `${path}.${number}.1`],
  rest: (blocks) => [
    [/^conv_stem\.(\w+)$/, 'features.0.0.$1'],
    [/^bn1\.(\w+)$/, 'features.0.1.$1'],
    // The last stage is one convolution.
    [/^blocks\.\d+\.0\.conv\.(\w+)$/, `features.${blocks + 1}.0.$1`],
    [/^blocks\.\d+\.0\.bn1\.(\w+)$/, `features.${blocks + 1}.1.$1`],
    [/^conv_head\.(\w+)$/, 'classifier.0.$1', 'reshape'],
    [/^classifier\.(\w+)$/, 'classifier.3.$1'],
  ],
};

/** torchvision has the paper's ε of 0.001. */
const TIMM: NameMap = timmBlocks(BLOCKS, { adjust: { epsilon: 1e-5 } });
const TIMM_TF: NameMap = timmBlocks(BLOCKS, { adjust: { epsilon: 1e-3, padding: 'same' } });

const ROLES = ['expand', 'depthwise', 'squeeze_excite', 'project'] as const;

/** Keras names a block's layers by role; torchvision numbers those that are there. */
const KERAS: NameMap = {
  adjust: { epsilon: 1e-3, padding: 'same' },
  preprocess: 'tf',
  rename: (names) => {
    const blocks = new Map<number, Set<string>>();
    for (const name of names) {
      const [, index = '0', role] =
        /^expanded_conv(?:_(\d+))?_(expand|depthwise|squeeze_excite|project)[._]/.exec(name) ?? [];
      if (role === undefined) continue;
      const roles = blocks.get(Number(index)) ?? new Set();
      blocks.set(Number(index), roles.add(role));
    }
    const place = (index: number, role: string): string => {
      const present: readonly string[] = ROLES.filter((r) => blocks.get(index)?.has(r));
      return `features.${index + 1}.block.${present.indexOf(role)}`;
    };
    const last = blocks.size + 1;
    const at = (index: string | undefined): number => Number(index ?? 0);
    return fixedMap([
      [/^conv\.(\w+)$/i, 'features.0.0.$1'],
      [/^conv_bn\.(\w+)$/i, 'features.0.1.$1'],
      [
        /^expanded_conv(?:_(\d+))?_squeeze_excite_conv(_1)?\.(\w+)$/i,
        (n, second, v) => `${place(at(n), 'squeeze_excite')}.${second ? 'fc2' : 'fc1'}.${v}`,
      ],
      [
        /^expanded_conv(?:_(\d+))?_(expand|depthwise|project)(_bn)?\.(\w+)$/i,
        (n, role, norm, v) => `${place(at(n), role)}.${norm ? 1 : 0}.${v}`,
      ],
      [/^conv_1\.(\w+)$/i, `features.${last}.0.$1`],
      [/^conv_1_bn\.(\w+)$/i, `features.${last}.1.$1`],
      [/^conv_2\.(\w+)$/i, 'classifier.0.$1', 'reshape'],
      [/^logits\.(\w+)$/i, 'classifier.3.$1', 'reshape'],
    ]).rename(names);
  },
};

export const MOBILENETV3 = { timm: TIMM, 'timm-tf': TIMM_TF, keras: KERAS } as const;
