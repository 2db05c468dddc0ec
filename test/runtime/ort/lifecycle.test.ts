import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EnvironmentError } from '../../../src/base/errors.js';
import { Tensor } from '../../../src/onnx/index.js';
import { createEngine } from '../../../src/runtime/index.js';
import { WorkerClient } from '../../../src/runtime/worker/client.js';
import { slowModel } from './graphs.js';

const root = new URL('../../../', import.meta.url);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reparam-test-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly out: string;
  readonly err: string;
  readonly milliseconds: number;
}

/** Runs a script against the compiled sources; `engine`, `slow` (some seconds) and `run()` are there for it. */
function script(
  body: string,
  onOutput?: (text: string, kill: (s: NodeJS.Signals) => void) => void,
): Promise<Ended> {
  const code = `
    import { createEngine } from '${new URL('dist/src/runtime/create.js', root)}';
    import { Graph, GraphBuilder, Model, Tensor, tensorType } from '${new URL('dist/src/onnx/index.js', root)}';
    const n = 1024;
    const graph = new Graph('slow');
    const g = new GraphBuilder(graph, 18);
    const w = graph.addInitializer('w', Tensor.float32([n, n], new Float32Array(n * n).fill(1 / n)));
    let y = graph.addInput('x', tensorType('float32', [n, n]));
    for (let i = 0; i < 24; i++) y = g.op('MatMul', [y, w]);
    y.type = tensorType('float32', [n, n]);
    graph.addOutput(y);
    const engine = await createEngine({ threads: 1 });
    const slow = await engine.session(new Model(graph, 18));
    const run = () => slow.run(new Map([['x', Tensor.float32([n, n], new Float32Array(n * n))]]));
    ${body}`;
  return new Promise((resolve) => {
    const started = performance.now();
    const child = spawn(process.execPath, ['--input-type=module', '-e', code]);
    let [out, err] = ['', ''];
    child.stdout.on('data', (d) => {
      out += d;
      onOutput?.(String(d), (s) => child.kill(s));
    });
    child.stderr.on('data', (d) => {
      err += d;
    });
    child.on('close', (code, signal) =>
      resolve({ code, signal, out, err, milliseconds: performance.now() - started }),
    );
  });
}

describe('the process', () => {
  test('ends by itself when no call is pending, engine closed or not', async () => {
    const ends = await Promise.all(
      ['', 'await engine.close();'].map((close) => script(`console.log('here'); ${close}`)),
    );
    for (const { code, out, err } of ends)
      expect({ code, out, err }).toEqual({ code: 0, out: 'here\n', err: '' });
  });

  test('stays alive for a pending call that only the worker knows of', async () => {
    const { code, out } = await script(`run().then(() => console.log('done'));`);
    expect({ code, out }).toEqual({ code: 0, out: 'done\n' });
  });

  test('process.exit in the middle of a step keeps its exit code', async () => {
    const { code, signal, out, err } = await script(
      `void run(); setTimeout(() => { console.log('leaving'); process.exit(3); }, 100);`,
    );
    expect({ code, signal, out, err }).toEqual({ code: 3, signal: null, out: 'leaving\n', err: '' });
  });

  test('an uncaught error in the middle of a step is shown, not turned into an abort', async () => {
    const { code, signal, err } = await script(
      `void run(); setTimeout(() => { throw new Error('mine'); }, 100);`,
    );
    expect({ code, signal }).toEqual({ code: 1, signal: null });
    expect(err).toMatch(/Error: mine/);
    expect(err).not.toMatch(/Napi/);
  });

  test('Ctrl-C handled with close() ends it at once, by the signal', async () => {
    let pressed = 0;
    const { signal, out, err } = await script(
      `process.once('SIGINT', async () => {
         const at = performance.now();
         await engine.close();
         console.log('closed in', performance.now() - at < 1000 ? 'time' : 'too much time');
         process.kill(process.pid, 'SIGINT');
       });
       run().catch((e) => console.log(e.name));
       for (let i = 0; i < 20; i++) run().catch(() => {});
       setTimeout(() => console.log('running'), 100);`,
      (text, kill) => {
        if (!text.includes('running')) return;
        pressed = performance.now();
        kill('SIGINT');
      },
    );
    // 21 runs of more than 100 ms each would take longer than this.
    expect(performance.now() - pressed).toBeLessThan(2000);
    expect({ signal, err }).toEqual({ signal: 'SIGINT', err: '' });
    expect(out).toBe('running\nEnvironmentError\nclosed in time\n');
  });
});

describe('close', () => {
  test('rejects what is pending, resolves within a second, and later calls say so', async () => {
    const engine = await createEngine({ threads: 1 });
    const session = await engine.session(slowModel(10, 1024));
    const feeds = new Map([['x', Tensor.float32([1024, 1024], new Float32Array(1024 * 1024))]]);
    const runs = Array.from({ length: 5 }, () => session.run(feeds).catch((e: unknown) => e));
    await new Promise((next) => setTimeout(next, 60));
    const start = performance.now();
    await engine.close();
    expect(performance.now() - start).toBeLessThan(1000);
    for (const e of await Promise.all(runs)) expect(e).toBeInstanceOf(EnvironmentError);
    await expect(session.run(feeds)).rejects.toThrow(/the engine was closed/);
    await engine.close();
  });
});

describe('a worker that fails', () => {
  /** A stand-in that greets as the real one does, then does `body` at the first call. */
  const broken = (name: string, body: string): URL => {
    const path = join(folder, `${name}.mjs`);
    writeFileSync(
      path,
      `import { parentPort } from 'node:worker_threads';
       parentPort.on('message', () => { ${body} });
       parentPort.postMessage({ kind: 'ready', version: '0', backends: [] });`,
    );
    return pathToFileURL(path);
  };

  test.each([
    ['exit', 'process.exit(5)', /ended unexpectedly; found exit code 5/],
    ['throw', `throw new Error('broken pipe')`, /ended unexpectedly; found broken pipe/],
    ['memory', 'const a = []; for (;;) a.push(new Array(1e6).fill(0));', /ran out of memory.*smaller batch/s],
  ])('%s: every pending call is rejected, and so are later ones', async (name, body, message) => {
    const client = await WorkerClient.start(broken(name, body), { maxOldGenerationSizeMb: 32 });
    const calls = [client.call('release', { session: 1 }), client.call('release', { session: 2 })];
    for (const result of await Promise.allSettled(calls)) {
      expect(result).toMatchObject({ status: 'rejected', reason: expect.any(EnvironmentError) });
      expect(result).toHaveProperty('reason.message', expect.stringMatching(message));
    }
    await expect(client.call('release', { session: 1 })).rejects.toThrow(EnvironmentError);
    await client.close();
  });

  test('one that never greets rejects the start', async () => {
    const path = join(folder, 'mute.mjs');
    writeFileSync(path, 'process.exit(1)');
    await expect(WorkerClient.start(pathToFileURL(path))).rejects.toThrow(/found exit code 1/);
  });
});
