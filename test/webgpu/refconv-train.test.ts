import { afterAll, beforeAll } from 'vitest';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { REFCONV_NETS } from '../support/refconv-golden.js';
import { checkRefconvSteps } from '../support/refconv-steps.js';
import { describeWebgpu, webgpuGoldenTest } from '../support/webgpu/test.js';

/** Of what a GPU may sum in another order, with the kinks of ReLU6 in between. */
const RELATIVE = 1e-3;

describeWebgpu('refocusing for ten steps on WebGPU against PyTorch', () => {
  // One engine for all: most of the time goes into shaders, which it compiles once.
  let [host, engine]: Engine[] = [];
  beforeAll(async () => {
    [host, engine] = await Promise.all([
      createEngine({ threads: 1 }),
      createEngine({ device: 'webgpu', allowSoftware: true }),
    ]);
  });
  afterAll(() => Promise.all([host.close(), engine.close()]));

  for (const name of REFCONV_NETS)
    webgpuGoldenTest(name, () => checkRefconvSteps(name, host, engine, RELATIVE));
});
