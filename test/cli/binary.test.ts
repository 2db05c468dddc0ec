import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../../cli/commands.js';
import { BINARY, reparam, reparamJson } from './cli.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Runs the binary's --help and prints every file that was imported. */
const LIST_IMPORTS = `
import { register } from 'node:module';
const hook = "export async function load(url, context, next) {" +
  " if (url.startsWith('file:')) (await import('node:fs')).writeSync(1, 'imported ' + url + '\\\\n'); return next(url, context); }";
register('data:text/javascript,' + encodeURIComponent(hook));
const binary = process.argv[1];
process.argv = [process.execPath, binary, '--help'];
await import('node:url').then(({ pathToFileURL }) => import(pathToFileURL(binary).href));
`;

describe('the binary', () => {
  test('--version is that of package.json', async () => {
    const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
    expect(await reparam(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  test('--help lists every command', async () => {
    const { code, stdout } = await reparam(['--help']);
    expect(code).toBe(0);
    for (const command of COMMANDS)
      expect(stdout).toMatch(new RegExp(`reparam ${command.name.split(' ')[0]}\\b`));
  });

  test.each(COMMANDS.map((c) => c.name))('%s --help shows its synopsis and an example', async (name) => {
    const { code, stdout, stderr } = await reparam([...name.split(' '), '--help']);
    expect(stderr).toBe('');
    expect(stdout).toMatch(new RegExp(`^reparam ${name}`));
    expect(stdout).toContain('Examples:');
    expect(code).toBe(0);
  });

  test('--help starts fast: no library of ours or others is loaded but yargs', () => {
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', LIST_IMPORTS, BINARY], {
      encoding: 'utf8',
      env: { ...process.env, NODE_NO_WARNINGS: '1' },
    });
    const imported = stdout.split('\n').filter((l) => l.startsWith('imported '));
    expect(imported.length).toBeGreaterThan(10);
    const heavy =
      /node_modules\/(?!yargs|y18n|cliui|escalade|string-width|strip-ansi|ansi-|wrap-ansi|get-|emoji)|dist\/src\/(?!base\/(errors|nearest|package)|finetune\/options)/;
    expect(imported.filter((l) => heavy.test(l))).toEqual([]);
  });

  test.skipIf(process.platform === 'win32')('is executable', () => {
    expect(statSync(BINARY).mode & 0o111).toBe(0o111);
    expect(readFileSync(BINARY, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
  });
});

describe('errors', () => {
  test('a wrong option is a sentence on standard error, exit code 2', async () => {
    expect(await reparam(['refocus', '--epoch', '5', '--model', 'x'])).toEqual({
      code: 2,
      stdout: '',
      stderr: "reparam: refocus: no option '--epoch'\n  did you mean --epochs?\n",
    });
  });

  test('with --json the error is the one object on standard output, and the sentence stays on standard error', async () => {
    const { code, json, stderr } = await reparamJson(['expand', 'x.onnx', '-o', 'y', '--map-kernel', '2']);
    expect(code).toBe(2);
    expect(json).toEqual({
      error: {
        code: 'USAGE',
        message: "expand: --map-kernel; expected an odd number >= 1; found '2'",
        exitCode: 2,
        problem: 'expand: --map-kernel',
        expected: 'an odd number >= 1',
        found: "'2'",
      },
    });
    expect(stderr).toBe("reparam: expand: --map-kernel; expected an odd number >= 1; found '2'\n");
  });

  test('--verbose adds the stack and its causes', async () => {
    const { code, stderr } = await reparam(['inspect', 'nope.onnx', '--verbose']);
    expect(code).toBe(3);
    expect(stderr).toMatch(/\n\s+at /);
    expect(stderr).toMatch(/caused by Error: ENOENT/);
  });

  test('control characters of a file name do not reach the terminal', async () => {
    const { stderr } = await reparam(['inspect', 'a\u001b[31mb.onnx']);
    expect(stderr).toContain('a\uFFFD[31mb.onnx');
  });

  test('no command: what there is', async () => {
    const { code, stderr } = await reparam([]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/no command given; expected refocus, train/);
  });

  test.skipIf(process.platform === 'win32')('a reader that goes away is no error', () => {
    const line = `"${process.execPath}" "${BINARY}" zoo list --json | head -c 1; echo "$PIPESTATUS \${PIPESTATUS[0]}"`;
    const run = spawnSync('bash', ['-c', line], { encoding: 'utf8' });
    expect(run.stderr).toBe('');
    expect(run.stdout).toBe('{0 0\n');
  });
});

test('docs/cli.md is what the commands say', () => {
  const run = spawnSync(process.execPath, ['scripts/docs-cli.mjs', '--check'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(run.stderr).toBe('');
  expect(run.status).toBe(0);
});
