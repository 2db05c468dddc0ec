import { fixedMap, type NameMap } from './naming.js';
import { timmBlocks } from './timm-blocks.js';

/** `…conv.0.0`, `…conv.1.0`: a convolution and its normalization; the last of a block stand side by side (`conv.2`, `conv.3`). */
function layer(path: string, number: number, count: number): readonly [string, string] {
  return number === count - 1
    ? [`${path}.conv.${number}`, `${path}.conv.${number + 1}`]
    : [`${path}.conv.${number}.0`, `${path}.conv.${number}.1`];
}

const TIMM: NameMap = timmBlocks({
  path: (_stage, _block, index) => `features.${index + 1}`,
  layer,
  rest: (blocks) => [
    [/^conv_stem\.(\w+)$/, 'features.0.0.$1'],
    [/^bn1\.(\w+)$/, 'features.0.1.$1'],
    [/^conv_head\.(\w+)$/, `features.${blocks + 1}.0.$1`],
    [/^bn2\.(\w+)$/, `features.${blocks + 1}.1.$1`],
    [/^classifier\.(\w+)$/, 'classifier.1.$1'],
  ],
});

/** `block_3_…` is the fourth block; the first is called `expanded_conv`. */
const next = (number: string): number => Number(number) + 1;

const KERAS: NameMap = fixedMap(
  [
    [/^Conv1\.(\w+)$/, 'features.0.0.$1'],
    [/^bn_Conv1\.(\w+)$/, 'features.0.1.$1'],
    [/^expanded_conv_depthwise\.(\w+)$/, 'features.1.conv.0.0.$1'],
    [/^expanded_conv_depthwise_BN\.(\w+)$/, 'features.1.conv.0.1.$1'],
    [/^expanded_conv_project\.(\w+)$/, 'features.1.conv.1.$1'],
    [/^expanded_conv_project_BN\.(\w+)$/, 'features.1.conv.2.$1'],
    [/^block_(\d+)_expand\.(\w+)$/, (n, v) => `features.${next(n)}.conv.0.0.${v}`],
    [/^block_(\d+)_expand_BN\.(\w+)$/, (n, v) => `features.${next(n)}.conv.0.1.${v}`],
    [/^block_(\d+)_depthwise\.(\w+)$/, (n, v) => `features.${next(n)}.conv.1.0.${v}`],
    [/^block_(\d+)_depthwise_BN\.(\w+)$/, (n, v) => `features.${next(n)}.conv.1.1.${v}`],
    [/^block_(\d+)_project\.(\w+)$/, (n, v) => `features.${next(n)}.conv.2.${v}`],
    [/^block_(\d+)_project_BN\.(\w+)$/, (n, v) => `features.${next(n)}.conv.3.${v}`],
    [/^Conv_1\.(\w+)$/, 'features.18.0.$1'],
    [/^Conv_1_bn\.(\w+)$/, 'features.18.1.$1'],
    [/^(?:predictions|Logits)\.(\w+)$/, 'classifier.1.$1'],
  ],
  { adjust: { epsilon: 1e-3, padding: 'same' }, preprocess: 'tf' },
);

export const MOBILENETV2 = { timm: TIMM, keras: KERAS } as const;
