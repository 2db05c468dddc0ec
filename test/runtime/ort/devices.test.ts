import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EnvironmentError, ModelError } from '../../../src/base/errors.js';
import { cudaProblem, missingCudaLibraries } from '../../../src/runtime/ort/cuda.js';
import { findLibrary } from '../../../src/runtime/ort/library.js';
import { explainNoAdapter, readAdapter } from '../../../src/runtime/ort/probe.js';
import { runtimeError } from '../../../src/runtime/worker/signature.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'reparam-devices-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the adapter', () => {
  const loader = (name: string, driver: string): string =>
    `[Vulkan Loader] DRIVER:            <Device>\n[Vulkan Loader] DRIVER:                Using "${name}" with driver: "${driver}"\n`;

  test.each([
    ['SwiftShader Device (Subzero)', '/usr/lib/chromium/libvk_swiftshader.so', true],
    ['llvmpipe (LLVM 15.0.6, 256 bits)', '/usr/lib/x86_64-linux-gnu/libvulkan_lvp.so', true],
    ['NVIDIA H200', 'libGLX_nvidia.so.0', false],
  ])('%s is told by the Vulkan loader', (name, driver, software) => {
    expect(readAdapter(loader(name, driver))).toEqual({ name, driver, software });
  });

  test('where nothing names it, it has no name', () => {
    expect(readAdapter('').name).toBeNull();
  });
});

describe('why there is no adapter', () => {
  const none =
    '/onnxruntime_src/onnxruntime/core/providers/webgpu/webgpu_context.cc:136 onnxruntime::webgpu::WebGpuContext::Initialize(const onnxruntime::webgpu::WebGpuContextConfig&)::<lambda()> adapter_result.status == wgpu::RequestAdapterStatus::Success was false. Failed to get a WebGPU adapter: No supported adapters\n';

  test('no loader, no driver and no adapter are told apart, each with what to do', () => {
    const loader = explainNoAdapter(none, "Warning: Couldn't load Vulkan: libvulkan.so.1: cannot open");
    expect(loader.problem).toMatch(/Vulkan loader is not installed/);
    expect(loader.hint).toMatch(/apt-get install libvulkan1/);
    const driver = explainNoAdapter(none, 'Warning: vkCreateInstance: Found no drivers!');
    expect(driver).toMatchObject({
      problem: expect.stringMatching(/finds no driver/),
      found: 'Failed to get a WebGPU adapter: No supported adapters',
      hint: expect.stringMatching(/nvidia-vulkan-icd.*--device cpu/),
    });
    expect(explainNoAdapter(none, '').problem).toBe('WebGPU: no graphics adapter');
    expect(explainNoAdapter('Failed to get a WebGPU device: limits', '').problem).toMatch(/gives no device/);
    expect(explainNoAdapter('the process that tried it ended by SIGSEGV: ', '').found).toMatch(/SIGSEGV/);
  });
});

describe('what a device says while it runs', () => {
  const said = (message: string) => runtimeError('running a step', new Error(message));

  test('a lost device, a buffer beyond the limit and exhausted memory are the machine, with what to do', () => {
    const lost = said('WebGPU device lost (2): VK_ERROR_DEVICE_LOST');
    expect(lost).toBeInstanceOf(EnvironmentError);
    expect(lost.message).toMatch(/running a step: the graphics device was lost.*--resume/s);
    const buffer = said(
      'WebGPU validation failed. [Invalid Buffer (unlabeled)] is invalid due to a previous error.\n - While validating entries[1]',
    );
    expect(buffer).toBeInstanceOf(EnvironmentError);
    expect(buffer.message).toMatch(/limit for a buffer.*smaller batch/s);
    expect(said('vkAllocateMemory failed: out of memory').message).toMatch(/not enough memory/);
    expect(said('Non-zero status code returned while running Conv')).toBeInstanceOf(ModelError);
  });
});

describe('CUDA', () => {
  const runtime = (provider: boolean) => {
    const at = mkdtempSync(join(folder, 'runtime-'));
    const library = join(at, 'bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so');
    mkdirSync(dirname(library), { recursive: true });
    if (provider) writeFileSync(library, '');
    return { folder: at, version: '1.30.0' };
  };

  test.runIf(process.platform === 'linux')('libraries are found where the loader finds them', () => {
    expect(findLibrary('libc.so.6')).toBeDefined();
    expect(findLibrary('libno-such-library.so.1')).toBeUndefined();
    writeFileSync(join(folder, 'libcudnn.so.9'), '');
    expect(findLibrary('libcudnn.so.9', { LD_LIBRARY_PATH: `/nowhere:${folder}` })).toBe(
      join(folder, 'libcudnn.so.9'),
    );
  });

  test.runIf(process.platform === 'linux')('what is missing is named with what brings it', () => {
    const names = ['libcuda.so.1', 'libcudart.so.12', 'libcublas.so.12', 'libcublasLt.so.12'];
    const all = mkdtempSync(join(folder, 'cuda-'));
    for (const name of [...names, 'libcurand.so.10', 'libcufft.so.11']) writeFileSync(join(all, name), '');
    const environment = { LD_LIBRARY_PATH: all };
    const missing = missingCudaLibraries(environment);
    // A machine that has cuDNN lacks nothing.
    if (missing.length > 0) {
      expect(missing).toEqual([['libcudnn.so.9', 'cuDNN 9 for CUDA 12']]);
      expect(cudaProblem(runtime(true), environment, 'linux/x64')).toMatchObject({
        problem: 'CUDA: libraries are missing',
        found: 'no libcudnn.so.9 (cuDNN 9 for CUDA 12)',
        hint: expect.stringMatching(/LD_LIBRARY_PATH.*--device cpu/),
      });
    }
    writeFileSync(join(all, 'libcudnn.so.9'), '');
    expect(cudaProblem(runtime(true), environment, 'linux/x64')).toBeUndefined();
    expect(cudaProblem(runtime(false), environment, 'linux/x64')).toMatchObject({
      problem: "CUDA: the provider's library is not installed",
      hint: expect.stringMatching(/--onnxruntime-node-install=cuda12/),
    });
  });

  test('other platforms have none', () => {
    expect(cudaProblem(runtime(true), {}, 'darwin/arm64')?.problem).toMatch(/no such provider/);
  });
});
