import { fixedMap, type NameMap } from './naming.js';

/** The same convolutions; the dense layers are convolutions of 7x7 and 1x1 there. */
const TIMM: NameMap = fixedMap([
  [/^(features\..*)$/, '$1'],
  [/^pre_logits\.fc1\.(\w+)$/, 'classifier.0.$1', 'reshape'],
  [/^pre_logits\.fc2\.(\w+)$/, 'classifier.3.$1', 'reshape'],
  [/^head\.fc\.(\w+)$/, 'classifier.6.$1'],
]);

const KERAS_CONV = /^block(\d)_conv(\d)\.(\w+)$/;

const KERAS: NameMap = {
  preprocess: 'caffe',
  rename: (names) => {
    const convs = new Set(names.filter((n) => KERAS_CONV.test(n)).map((n) => n.replace(/\.\w+$/, '')));
    /** torchvision counts convolutions, ReLUs and pools in one list. */
    const place = (block: number, conv: number): number => {
      const before = [...convs].filter((name) => Number(name[5]) < block).length;
      return 2 * (before + conv - 1) + (block - 1);
    };
    return fixedMap([
      [KERAS_CONV, (block, conv, v) => `features.${place(Number(block), Number(conv))}.${v}`],
      [/^fc1\.(\w+)$/, 'classifier.0.$1'],
      [/^fc2\.(\w+)$/, 'classifier.3.$1'],
      [/^predictions\.(\w+)$/, 'classifier.6.$1'],
    ]).rename(names);
  },
};

export const VGG = { timm: TIMM, keras: KERAS } as const;
