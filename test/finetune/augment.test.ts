import { expect, test } from 'vitest';
import { presetPreprocess } from '../../src/base/preprocess.js';
import { DATA_DEFAULTS } from '../../src/finetune/options.js';
import { chooseAugment } from '../../src/finetune/run/resolve.js';

const photographs = presetPreprocess('imagenet', 224);
const small = presetPreprocess('cifar10', 32);
const folder = { storage: 'files', spec: 'imagefolder:a' } as const;
const records = { storage: 'memory', spec: 'cifar10:a' } as const;
const digits = { storage: 'memory', spec: 'idx:a' } as const;

test.each([
  ['a folder of photographs', folder, photographs, 'imagenet'],
  ['a folder of images that are fed as they are', folder, small, 'cifar'],
  ['the same squeezed', folder, { ...small, resize: 32 }, 'imagenet'],
  ['CIFAR', records, small, 'cifar'],
  ['digits', digits, small, 'none'],
] as const)('%s', (_, set, preprocess, expected) => {
  expect(chooseAugment(DATA_DEFAULTS, set, preprocess)).toBe(expected);
  expect(chooseAugment({ ...DATA_DEFAULTS, augment: 'flip' }, set, preprocess)).toBe('flip');
});
