import type { ErrorFacts } from '../../base/errors.js';
import { findLibrary } from './library.js';
import { findCudaLibrary, type RuntimePackage } from './package.js';

/** What the CUDA provider of the runtime (1.30) is linked against, and which package of NVIDIA's brings it. */
const NEEDED = [
  ['libcuda.so.1', "NVIDIA's driver"],
  ['libcudart.so.12', 'CUDA 12'],
  ['libcublas.so.12', 'CUDA 12'],
  ['libcublasLt.so.12', 'CUDA 12'],
  ['libcurand.so.10', 'CUDA 12'],
  ['libcufft.so.11', 'CUDA 12'],
  ['libcudnn.so.9', 'cuDNN 9 for CUDA 12'],
] as const;

const INSTALL_PROVIDER =
  'npm install onnxruntime-node --onnxruntime-node-install=cuda12 (it downloads; through a proxy set ' +
  'GLOBAL_AGENT_HTTPS_PROXY)';

type Environment = Readonly<Record<string, string | undefined>>;

/** Libraries that the provider needs and this machine lacks, each with what brings it. */
export function missingCudaLibraries(environment?: Environment): readonly (readonly [string, string])[] {
  return NEEDED.filter(([name]) => findLibrary(name, environment) === undefined);
}

/**
 * Why the CUDA provider cannot be used here, as far as files tell; undefined where they are all there.
 * @param runtime undefined: the runtime is not installed
 */
export function cudaProblem(
  runtime: RuntimePackage | undefined,
  environment?: Environment,
  platform = `${process.platform}/${process.arch}`,
): Omit<ErrorFacts, 'cause'> | undefined {
  if (platform !== 'linux/x64')
    return {
      problem: 'CUDA: the runtime has no such provider for this platform',
      expected: 'linux/x64',
      found: platform,
      hint: 'use --device webgpu, or --device cpu',
    };
  const missing = missingCudaLibraries(environment);
  const libraries = missing.map(([name, from]) => `${name} (${from})`).join(', ');
  if (!runtime || !findCudaLibrary(runtime))
    return {
      problem: "CUDA: the provider's library is not installed",
      ...(libraries && { found: `${libraries} missing as well` }),
      hint: `${INSTALL_PROVIDER}; it needs CUDA 12 and cuDNN 9 on the machine. Or use --device webgpu, or --device cpu`,
    };
  if (missing.length > 0)
    return {
      problem: 'CUDA: libraries are missing',
      expected: 'in the folders of LD_LIBRARY_PATH, or known to ldconfig',
      found: `no ${libraries}`,
      hint: 'install them (developer.nvidia.com/cuda-downloads and /cudnn) or add their folder to LD_LIBRARY_PATH; or use --device webgpu, or --device cpu',
    };
  return undefined;
}
