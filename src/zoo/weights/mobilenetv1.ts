import { fixedMap, type NameMap, SAME } from './naming.js';

/** First block of each of timm's stages: the zoo's names are timm's, Keras counts the 13 blocks through. */
const STAGES = [1, 2, 4, 6, 12, 14] as const;

function block(number: string): string {
  const n = Number(number);
  const stage = STAGES.findLastIndex((first) => first <= n);
  return `blocks.${stage}.${n - STAGES[stage]}`;
}

const KERAS: NameMap = fixedMap(
  [
    [/^conv1\.(\w+)$/, 'conv_stem.$1'],
    [/^conv1_bn\.(\w+)$/, 'bn1.$1'],
    [/^conv_dw_(\d+)\.(\w+)$/, (n, v) => `${block(n)}.conv_dw.${v}`],
    [/^conv_dw_(\d+)_bn\.(\w+)$/, (n, v) => `${block(n)}.bn1.${v}`],
    [/^conv_pw_(\d+)\.(\w+)$/, (n, v) => `${block(n)}.conv_pw.${v}`],
    [/^conv_pw_(\d+)_bn\.(\w+)$/, (n, v) => `${block(n)}.bn2.${v}`],
    [/^conv_preds\.(\w+)$/, 'classifier.$1', 'reshape'],
  ],
  { adjust: { epsilon: 1e-3, padding: 'behind' }, preprocess: 'tf' },
);

export const MOBILENETV1 = { timm: SAME, keras: KERAS } as const;
