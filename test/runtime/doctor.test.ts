import { expect, test } from 'vitest';
import { diagnose } from '../../src/runtime/index.js';

test('the diagnosis of a machine that can run these tests', async () => {
  const d = await diagnose();
  expect(d.problems).toEqual([]);
  expect(d.ok).toBe(true);
  expect(d.node).toEqual({ version: process.versions.node, required: '>=20.19', ok: true });
  expect(d.runtime.version).toMatch(/^\d+\.\d+\.\d+/);
  expect(d.runtime.providers).toContainEqual({ name: 'cpu', bundled: true });
  expect(d.runtime.checkMilliseconds).toBeGreaterThan(0);
  expect([null, 4, 8, 16]).toContain(d.runtime.channelBlock);
  expect(d.cpu.threads).toBeGreaterThanOrEqual(1);
  expect(d.cpu.threads).toBeLessThanOrEqual(d.cpu.available);
  expect(d.memory.freeBytes).toBeLessThanOrEqual(d.memory.totalBytes);
  expect(d.devices.map((x) => x.device)).toEqual(['cpu', 'webgpu', 'cuda']);
  expect(d.devices[0].usable).toBe(true);
  // What this machine lacks is said with what to do.
  for (const { usable, note } of d.devices)
    expect(note).toMatch(usable ? /gave the right numbers/ : /--device cpu/);
  expect(d.tfjs.at(-1)).toEqual({
    name: '@tensorflow/tfjs',
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    device: 'cpu',
    what: 'plain JavaScript, slow',
  });
  // It is printed with --json.
  expect(JSON.parse(JSON.stringify(d))).toEqual(d);
});
