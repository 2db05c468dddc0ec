import { expect, test } from 'vitest';
import { trialImages } from '../../src/finetune/run/trial.js';

test.each([
  [224, 2],
  [128, 2],
  [127, 3],
  [96, 4],
  [64, 8],
  [28, 8],
])('images of %i pixels: %i of them try a device', (side, images) => {
  expect(trialImages([3, side, side])).toBe(images);
});
