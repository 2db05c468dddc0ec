import { fixedMap, type NameMap } from './naming.js';

/** Unit 0 is the shortcut's projection. */
const unit = (number: string, kind: string): string =>
  number === '0' ? `downsample.${kind === 'conv' ? 0 : 1}` : `${kind}${number}`;

const KERAS: NameMap = fixedMap(
  [
    [/^conv1_(conv|bn)\.(\w+)$/, (kind, v) => `${kind}1.${v}`],
    [
      /^conv(\d)_block(\d+)_(\d)_(conv|bn)\.(\w+)$/,
      (stage, block, number, kind, v) =>
        `layer${Number(stage) - 1}.${Number(block) - 1}.${unit(number, kind)}.${v}`,
    ],
    [/^(?:predictions|probs|fc1000)\.(\w+)$/, 'fc.$1'],
  ],
  {
    adjust: { epsilon: 1.001e-5 },
    foldsBias: true,
    options: { variant: 'v1' },
    preprocess: 'caffe',
  },
);

export const RESNET = { keras: KERAS } as const;
