import { byRules, fixedMap, type NameMap } from './naming.js';

/** torchvision's published files are older than its names: `denselayer1.norm.1` became `denselayer1.norm1`. */
const older = byRules([[/^(.*denselayer\d+\.(?:norm|conv))\.([12]\.\w+)$/, '$1$2']]);
const TORCHVISION: NameMap = { rename: () => (name) => older(name) ?? { name } };

const KERAS: NameMap = fixedMap(
  [
    [/^conv1_conv\.(\w+)$/, 'features.conv0.$1'],
    [/^conv1_bn\.(\w+)$/, 'features.norm0.$1'],
    [/^conv(\d)_block(\d+)_0_bn\.(\w+)$/, (s, l, v) => `${layer(s, l)}.norm1.${v}`],
    [/^conv(\d)_block(\d+)_1_conv\.(\w+)$/, (s, l, v) => `${layer(s, l)}.conv1.${v}`],
    [/^conv(\d)_block(\d+)_1_bn\.(\w+)$/, (s, l, v) => `${layer(s, l)}.norm2.${v}`],
    [/^conv(\d)_block(\d+)_2_conv\.(\w+)$/, (s, l, v) => `${layer(s, l)}.conv2.${v}`],
    [/^pool(\d)_bn\.(\w+)$/, (s, v) => `features.transition${Number(s) - 1}.norm.${v}`],
    [/^pool(\d)_conv\.(\w+)$/, (s, v) => `features.transition${Number(s) - 1}.conv.${v}`],
    [/^bn\.(\w+)$/, 'features.norm5.$1'],
    [/^(?:predictions|fc1000)\.(\w+)$/, 'classifier.$1'],
  ],
  { adjust: { epsilon: 1.001e-5 }, preprocess: 'imagenet' },
);

function layer(stage: string, number: string): string {
  return `features.denseblock${Number(stage) - 1}.denselayer${number}`;
}

export const DENSENET = { torchvision: TORCHVISION, timm: TORCHVISION, keras: KERAS } as const;
