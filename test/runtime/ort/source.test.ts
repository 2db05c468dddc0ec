import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ModelError } from '../../../src/base/errors.js';
import { workerUrl } from '../../../src/base/worker.js';
import { Tensor, tensorType } from '../../../src/onnx/index.js';
import { WorkerClient } from '../../../src/runtime/worker/client.js';
import { holdSource } from '../../../src/runtime/worker/source.js';
import { fromWireAll, toWireAll } from '../../../src/runtime/worker/wire.js';
import { linearModel } from './graphs.js';

/** linearModel over weights that external data takes (tensors under 1 KiB stay in the file). */
function wideModel() {
  const model = linearModel();
  const w = model.graph.find('w');
  const b = model.graph.find('b');
  if (!w || !b) throw new Error('linearModel changed');
  model.graph.setInitializer(
    w,
    // Computed when it is written, and let go of at once.
    Tensor.derivedFloat32([4, 512], () => Float32Array.from({ length: 2048 }, (_, i) => i % 7)),
  );
  model.graph.setInitializer(b, Tensor.float32([512], new Float32Array(512)));
  for (const o of model.graph.outputs) o.type = tensorType('float32', ['N', 512]);
  return model;
}

test('a large model goes through a file with external data, which is removed', async () => {
  const client = await WorkerClient.start(
    workerUrl(import.meta.url.replace('/test/', '/src/'), './worker.js'),
  );
  const x = new Map([['x', Tensor.float32([1, 4], [1, 2, 3, 4])]]);
  const results: unknown[] = [];
  for (const limit of [undefined, 1]) {
    const held = await holdSource(wideModel(), limit === undefined ? {} : { file: limit });
    const path = held.source.kind === 'file' ? held.source.path : undefined;
    expect(path !== undefined && existsSync(`${path}.data`)).toBe(limit === 1);
    const options = { threads: 1, spinning: false, optimization: 'all' } as const;
    const session = results.length;
    await client.call('open', { session, source: held.source, options }, held.transfer);
    await held.dispose();
    if (path) expect(existsSync(path)).toBe(false);
    const out = await client.call('run', { session, feeds: toWireAll(x), fetch: ['y'] });
    results.push(fromWireAll(out).get('y')?.typed());
  }
  expect(results[0]).toHaveLength(512);
  expect(results[1]).toEqual(results[0]);
  await client.close();
});

test('a model that cannot be written leaves no file behind', async () => {
  const model = linearModel();
  const other = linearModel();
  model.graph.addNode({ opType: 'Relu', inputs: [other.graph.nodes[0].output()], outputs: ['q'] });
  await expect(holdSource(model)).rejects.toThrow(ModelError);
  await expect(holdSource(model, { file: 1 })).rejects.toThrow(ModelError);
});

describe('without room for a temporary file', () => {
  const { TMPDIR } = process.env;
  beforeAll(() => {
    process.env.TMPDIR = '/dev/null/nowhere';
  });
  afterAll(() => {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
  });

  test('a model that fits into a message goes as one; a larger one is refused in words', async () => {
    expect((await holdSource(wideModel(), { file: 1 })).source.kind).toBe('bytes');
    await expect(holdSource(wideModel(), { file: 1, message: 1 })).rejects.toThrow(
      /temporary model.*nowhere/s,
    );
  });
});
