import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { reparam, scratch } from './cli/cli.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const cwd = scratch();

/** Fenced blocks of the README whose info string is this. */
function blocks(info: string): string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${info}\\n(.*?)^\`\`\``, 'gms'))].map((m) => m[1]);
}

describe('the README', () => {
  test('has the two commands that do all the set-up', () => {
    expect(blocks('sh ci')).toEqual([
      'npm ci && npx reparam refocus --model mobilenetv2\n',
      'npm ci && npm test\n',
    ]);
  });

  const tour = blocks('sh tour').join('').trim().split('\n');
  test(`its tour runs: ${tour.length} commands, and prints what it says`, async () => {
    const printed = blocks('text').join('\n');
    let out = '';
    for (const line of tour) {
      const [npx, name, ...args] = line.split(' ');
      expect([npx, name]).toEqual(['npx', 'reparam']);
      const run = await reparam(args, { cwd });
      expect(run.code, `${line}\n${run.stderr}`).toBe(0);
      out += run.stdout;
    }
    // Rounding differs between processors: compare the words, not the digits of errors.
    const words = (text: string): string => text.replaceAll(/\d+(\.\d+)?e[-+]\d+/g, '#');
    const said = words(printed)
      .split('\n')
      .filter((l) => /^(training|fused)\.onnx|^ {2}(output|top-1|19 computed)/.test(l));
    expect(said.length).toBeGreaterThan(5);
    for (const line of said) expect(words(out)).toContain(line);
    expect(out).toMatch(/resnet20: top-1 94\.\d\d %/);
  });

  test('its library example runs', async () => {
    const [example] = blocks('js api');
    mkdirSync(join(cwd, 'node_modules'), { recursive: true });
    symlinkSync(root, join(cwd, 'node_modules', 'reparam'), 'dir');
    await reparam(['zoo', 'build', 'resnet20', '-o', 'net.onnx'], { cwd });
    writeFileSync(join(cwd, 'example.mjs'), example);
    const { stdout } = await promisify(execFile)(process.execPath, ['example.mjs'], { cwd });
    expect(stdout).toBe('0 true true\n');
  });
});
