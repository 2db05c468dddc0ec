import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runFolder } from '../../cli/run-folder.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'reparam-runs-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const inside = (resume: boolean): string => runFolder('refocus', 'nets/a.b.onnx', resume, folder);

test('a new run gets the first free folder, a resumed one goes on in the last', () => {
  const first = join('runs', 'refocus-a.b');
  expect(inside(false)).toBe(first);
  expect(inside(true)).toBe(first);
  mkdirSync(join(folder, first), { recursive: true });
  expect(inside(true)).toBe(first);
  expect(inside(false)).toBe(`${first}-2`);
  mkdirSync(join(folder, `${first}-2`));
  expect(inside(true)).toBe(`${first}-2`);
  expect(inside(false)).toBe(`${first}-3`);
});
