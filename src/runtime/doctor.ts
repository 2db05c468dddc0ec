import { availableParallelism, cpus, release } from 'node:os';
import { arch, platform, versions } from 'node:process';
import { type ErrorFacts, ReparamError } from '../base/errors.js';
import { Graph, GraphBuilder, Model, Tensor, tensorType } from '../onnx/index.js';
import { channelBlock } from './blocks.js';
import { arithmeticCores } from './cores.js';
import type { Device } from './engine.js';
import { type MachineMemory, machineMemory } from './memory.js';
import { cudaProblem } from './ort/cuda.js';
import { OrtEngine } from './ort/engine.js';
import { findRuntimePackage, type RuntimePackage } from './ort/package.js';
import { probeWebgpu, runProbe } from './ort/probe.js';
import { findTfjsPackages, type TfjsPackage } from './tfjs/package.js';
import type { Backend } from './worker/protocol.js';

/** What this machine can do, as `reparam doctor` shows it. Everything in it is plain data. */
export interface Diagnosis {
  /** Whether `reparam` can train and verify here. */
  readonly ok: boolean;
  readonly node: { readonly version: string; readonly required: string; readonly ok: boolean };
  readonly platform: { readonly os: string; readonly arch: string; readonly release: string };
  readonly cpu: {
    readonly model: string;
    /** Hardware threads this process may use. */
    readonly available: number;
    /** Threads the engine uses when `--threads` is not given. */
    readonly threads: number;
  };
  readonly memory: MachineMemory;
  readonly runtime: {
    readonly package: 'onnxruntime-node';
    /** Null: not installed. */
    readonly version: string | null;
    readonly folder: string | null;
    /** Execution providers the runtime lists. `bundled`: the library came with the package. */
    readonly providers: readonly Backend[];
    /** A real graph, run and compared: milliseconds from nothing to the result; null when it failed. */
    readonly checkMilliseconds: number | null;
    /** Channels to a block of the CPU provider's blocked kernels, tried with real numbers; null: it has none that work. */
    readonly channelBlock: number | null;
  };
  /** Packages of TensorFlow.js that are installed; `--engine tfjs` takes the first. None is needed. */
  readonly tfjs: readonly TfjsPackage[];
  readonly devices: readonly DeviceDiagnosis[];
  /** What is wrong, each with what to do; empty when ok. */
  readonly problems: readonly { readonly problem: string; readonly hint: string }[];
}

export interface DeviceDiagnosis {
  readonly device: Device;
  readonly usable: boolean;
  readonly note: string;
}

const REQUIRED_NODE = { major: 20, minor: 19 };

/** Looks at the machine and runs a small graph. Never throws for what is missing: that is the result. */
export async function diagnose(): Promise<Diagnosis> {
  const problems: { problem: string; hint: string }[] = [];
  const nodeOk = isNewEnough(versions.node);
  const required = `>=${REQUIRED_NODE.major}.${REQUIRED_NODE.minor}`;
  if (!nodeOk)
    problems.push({ problem: `Node ${versions.node} is too old`, hint: `install Node ${required}` });

  const check = await checkRuntime();
  if (check.problem) problems.push(check.problem);
  const found = findRuntimePackage();
  return {
    ok: problems.length === 0,
    node: { version: versions.node, required, ok: nodeOk },
    platform: { os: platform, arch, release: release() },
    cpu: {
      model: cpus()[0]?.model.trim() ?? 'unknown',
      available: availableParallelism(),
      threads: arithmeticCores(),
    },
    memory: machineMemory(),
    runtime: {
      package: 'onnxruntime-node',
      version: found?.version ?? null,
      folder: found?.folder ?? null,
      providers: check.providers,
      checkMilliseconds: check.milliseconds,
      channelBlock: check.channelBlock,
    },
    tfjs: findTfjsPackages(),
    devices: [
      {
        device: 'cpu',
        usable: check.milliseconds !== null,
        note:
          check.milliseconds === null
            ? 'the runtime does not work here'
            : 'a graph ran and gave the right numbers',
      },
      await diagnoseWebgpu(check.providers),
      await diagnoseCuda(found),
    ],
    problems,
  };
}

interface RuntimeCheck {
  readonly providers: readonly Backend[];
  readonly milliseconds: number | null;
  readonly channelBlock: number | null;
  readonly problem?: { readonly problem: string; readonly hint: string };
}

async function checkRuntime(): Promise<RuntimeCheck> {
  const start = performance.now();
  let engine: OrtEngine;
  try {
    engine = await OrtEngine.start({ threads: 1 });
  } catch (error) {
    return { providers: [], milliseconds: null, channelBlock: null, problem: describe(error) };
  }
  try {
    const session = await engine.session(smallModel());
    const out = await session.run(
      new Map([['x', Tensor.float32([1, 1, 3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9])]]),
    );
    const y = [...(out.get('y')?.typed() ?? [])];
    if (`${y}` !== `${EXPECTED}`)
      return {
        providers: engine.backends,
        milliseconds: null,
        channelBlock: null,
        problem: {
          problem: `a convolution gave [${y}] instead of [${EXPECTED}]`,
          hint: 'reinstall onnxruntime-node; if it stays so, the processor or the build is at fault',
        },
      };
    const milliseconds = performance.now() - start;
    const block = await channelBlock(engine);
    return { providers: engine.backends, milliseconds, channelBlock: block ?? null };
  } catch (error) {
    return { providers: engine.backends, milliseconds: null, channelBlock: null, problem: describe(error) };
  } finally {
    await engine.close();
  }
}

/** relu(conv(x, [[1, 0], [0, -1]]) + 6) over 3×3: x[i] − x[i+4] + 6 = 2 everywhere. */
function smallModel(): Model {
  const graph = new Graph('doctor');
  const g = new GraphBuilder(graph, 18);
  const x = graph.addInput('x', tensorType('float32', [1, 1, 3, 3]));
  const w = graph.addInitializer('w', Tensor.float32([1, 1, 2, 2], [1, 0, 0, -1]));
  const b = graph.addInitializer('b', Tensor.float32([1], [6]));
  const y = g.op('Relu', [g.op('Conv', [x, w, b], { kernel_shape: [2, 2] })], {}, { outputs: ['y'] });
  y.type = tensorType('float32', [1, 1, 2, 2]);
  graph.addOutput(y);
  return new Model(graph, 18);
}

const EXPECTED = [2, 2, 2, 2];

function describe(error: unknown): { problem: string; hint: string } {
  if (!(error instanceof ReparamError)) throw error;
  const { problem, found, hint } = error.facts;
  return {
    problem: found ? `${problem} (${found})` : problem,
    hint: hint ?? 'reinstall onnxruntime-node',
  };
}

async function diagnoseWebgpu(providers: readonly Backend[]): Promise<DeviceDiagnosis> {
  const device = 'webgpu';
  if (!providers.some((p) => p.name === device))
    return {
      device,
      usable: false,
      note: 'the runtime has no WebGPU provider for this platform: use --device cpu',
    };
  const probe = await probeWebgpu();
  if (!probe.usable) return { device, usable: false, note: sentence(probe.problem) };
  const { adapter, float16 } = probe;
  const what = adapter.name ?? 'an adapter whose name the runtime does not tell';
  const through = adapter.driver === null ? '' : `, driver ${adapter.driver}`;
  const slow = adapter.software ? '; it is software, which needs --allow-software' : '';
  const half = float16 ? 'with' : 'without';
  return {
    device,
    usable: true,
    note: `${what}${through}, ${half} float16; a graph ran and gave the right numbers${slow}`,
  };
}

async function diagnoseCuda(runtime: RuntimePackage | undefined): Promise<DeviceDiagnosis> {
  const device = 'cuda';
  const problem = cudaProblem(runtime);
  if (problem) return { device, usable: false, note: sentence(problem) };
  const { result } = await runProbe(device);
  return result.ok
    ? { device, usable: true, note: 'the libraries are there; a graph ran and gave the right numbers' }
    : {
        device,
        usable: false,
        note: `the libraries are there, but: ${result.message.trim().split('\n')[0]}`,
      };
}

function sentence({ problem, found, hint }: ErrorFacts): string {
  return [problem, found, hint].filter(Boolean).join('; ');
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > REQUIRED_NODE.major || (major === REQUIRED_NODE.major && minor >= REQUIRED_NODE.minor);
}
