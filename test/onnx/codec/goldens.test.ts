import { readdirSync, readFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { expect } from 'vitest';
import { cloneModel, decodeModel, encodeModel, verifyModel } from '../../../src/onnx/index.js';
import { golden, goldenTest, sharedFile } from '../../support/goldens.js';
import { wireDifference, wireRecords } from '../../support/wire.js';

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((f) => f.endsWith('.onnx'))
    .map((f) => `${folder}/${f}`)
    .sort();
}

goldenTest('every exported network and checkpoint comes back with the same fields', () => {
  const files = [
    ...filesUnder(golden('onnx-export')),
    ...filesUnder(golden('train-step')),
    ...filesUnder(golden('refconv')),
    ...filesUnder(golden('branches')),
    ...filesUnder(sharedFile('checkpoints')),
  ];
  expect(files.length).toBeGreaterThan(150);
  const problems: string[] = [];
  for (const file of files) {
    const bytes = readFileSync(file);
    const model = decodeModel(bytes, { source: file, folder: dirname(file) });
    verifyModel(model);
    const outside = wireRecords(bytes).filter((r) => /\/7\[0\]\/5\[\d+\]\/14\[0\] varint 1$/.test(r)).length;
    if (outside > 0) continue;
    for (const saved of [encodeModel(model), encodeModel(cloneModel(model))]) {
      const difference = wireDifference(saved, bytes);
      if (difference.length > 0) problems.push(`${relative(sharedFile(), file)}:\n${difference.join('\n')}`);
    }
  }
  expect(problems).toEqual([]);
});
