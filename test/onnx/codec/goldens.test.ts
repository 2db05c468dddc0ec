import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { onnx } from 'onnx-proto';
import { expect } from 'vitest';
import {
  cloneModel,
  decodeModel,
  encodeModel,
  loadModel,
  saveModel,
  verifyModel,
} from '../../../src/onnx/index.js';
import { golden, goldenTest, sharedFile } from '../../support/goldens.js';
import { wireDifference } from '../../support/wire.js';

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
    if ([...model.graph.initializers].some((v) => v.initializer?.storage.kind === 'external')) continue;
    for (const saved of [encodeModel(model), encodeModel(cloneModel(model))]) {
      const difference = wireDifference(saved, bytes);
      const seen = [saved, bytes].map((b) => onnx.ModelProto.encode(onnx.ModelProto.decode(b)).finish());
      if (Buffer.compare(seen[0], seen[1]) !== 0) problems.push(`${file}: not the same to onnx-proto`);
      if (difference.length > 0) problems.push(`${relative(sharedFile(), file)}:\n${difference.join('\n')}`);
    }
  }
  expect(problems).toEqual([]);
});

goldenTest('a network with external data is the same after saving it elsewhere', async () => {
  const source = golden('onnx-export/mobilenet_v1/dynamo18_external.onnx');
  const first = await loadModel(source);
  const folder = mkdtempSync(join(tmpdir(), 'reparam-external-'));
  try {
    const path = join(folder, 'elsewhere.onnx');
    await saveModel(first, path, { externalData: 'keep' });
    const second = await loadModel(path);
    let external = 0;
    for (const v of first.graph.initializers) {
      const other = second.graph.find(v.name)?.initializer;
      expect(other?.storage.kind).toBe(v.initializer?.storage.kind);
      expect(
        Buffer.compare(other?.bytes() ?? Buffer.alloc(0), v.initializer?.bytes() ?? Buffer.alloc(1)),
      ).toBe(0);
      if (v.initializer?.storage.kind === 'external') external++;
    }
    expect(external).toBeGreaterThan(10);
    // Inside, with the places of the data gone, the two are the same file.
    expect(wireDifference(encodeModel(second), encodeModel(first))).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
