import type { TestProject } from 'vitest/node';
import { type DeviceProbe, probeWebgpu } from '../../../src/runtime/ort/probe.js';
import { softwareDriver } from './driver.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** What the tests' environment has of WebGPU. */
    readonly webgpu: DeviceProbe;
  }
}

/** Asks once, before the first test, whether there is an adapter; says so where the tests will be skipped. */
export default async function setup(project: TestProject): Promise<void> {
  const before = { ...process.env };
  Object.assign(process.env, softwareDriver());
  const probe = await probeWebgpu();
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  Object.assign(process.env, before);
  project.provide('webgpu', probe);
  console.log(
    probe.usable
      ? `WebGPU tests run on ${probe.adapter.name ?? 'an adapter that nothing names'}`
      : `WebGPU tests are skipped: ${probe.problem.problem} (on Debian: apt-get install chromium)`,
  );
}
