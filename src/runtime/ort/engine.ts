import { UsageError } from '../../base/errors.js';
import { workerUrl } from '../../base/worker.js';
import type { DataType, Model } from '../../onnx/index.js';
import { arithmeticCores } from '../cores.js';
import type { Device, SessionOptions, StepSessionInit } from '../engine.js';
import { WorkerClient } from '../worker/client.js';
import { type PreparedStep, WorkerEngine } from '../worker/engine.js';
import type { Backend, OpenOptions, WebgpuOptions } from '../worker/protocol.js';
import { overwritable } from './in-place.js';
import { mendForWebgpu } from './mend-webgpu.js';
import { PROVIDERS, staysOnDevice } from './providers.js';
import { withRefusedOutput } from './refused-output.js';
import { isFeedable } from './tensors.js';

export interface OrtEngineOptions {
  /** Default: `cpu`. */
  readonly device?: Device;
  /** What the device is, for the engine's name. */
  readonly adapter?: string;
  /** Threads inside one operator; default: the physical cores. */
  readonly threads?: number;
  /**
   * Whether idle threads busy-wait for the next operator (default). Without it steps are 4 to 10 % slower on a quiet
   * machine and steadier on one that other programs use.
   */
  readonly spinning?: boolean;
  /**
   * Beginning of file names: for each session the runtime writes a profile when it is released, a JSON list of Chrome trace
   * events with what each node took, and on WebGPU each kernel by the adapter's clock. Steps are slower. Default: none.
   */
  readonly profile?: string;
  readonly webgpu?: WebgpuOptions;
}

/** onnxruntime-node in a worker thread. */
export class OrtEngine extends WorkerEngine {
  readonly device: Device;
  readonly name: string;
  readonly threads: number;
  /** Execution providers that the installed runtime knows. */
  readonly backends: readonly Backend[];
  readonly #session: Pick<OpenOptions, 'spinning' | 'profile' | 'webgpu'>;

  private constructor(
    client: WorkerClient,
    { device, adapter }: { readonly device: Device; readonly adapter: string | undefined },
    threads: number,
    session: Pick<OpenOptions, 'spinning' | 'profile' | 'webgpu'>,
  ) {
    super(client);
    this.device = device;
    this.threads = threads;
    this.backends = client.ready.backends;
    this.#session = session;
    const on = adapter === undefined ? device : `${device}: ${adapter}`;
    this.name = `onnxruntime-node ${client.ready.version} (${on})`;
  }

  /** @throws UsageError a bad thread count; EnvironmentError the runtime is not installed or cannot be loaded */
  static async start({
    device = 'cpu',
    adapter,
    threads,
    spinning = true,
    profile,
    webgpu,
  }: OrtEngineOptions = {}): Promise<OrtEngine> {
    const count = checkThreads(threads) ?? arithmeticCores();
    const client = await WorkerClient.start(workerUrl(import.meta.url, './worker.js'));
    return new OrtEngine(client, { device, adapter }, count, {
      spinning,
      ...(profile !== undefined && { profile }),
      ...(webgpu !== undefined && { webgpu }),
    });
  }

  protected override isFeedable(type: DataType): boolean {
    return isFeedable(type);
  }

  protected override openOptions({ threads, optimization = 'all' }: SessionOptions): OpenOptions {
    return {
      ...this.#session,
      threads: checkThreads(threads) ?? this.threads,
      optimization,
      device: this.device,
    };
  }

  protected override keptOutputs({ state, initial }: StepSessionInit): string[] {
    if (!PROVIDERS[this.device].keepsTensors) return [];
    return state
      .filter(({ input }) => {
        const tensor = initial.get(input);
        return tensor !== undefined && tensor.size > 0 && staysOnDevice(tensor.dataType);
      })
      .map((b) => b.output);
  }

  protected override overwritten({ graph }: Model, { state }: StepSessionInit): ReadonlySet<string> {
    return this.device === 'cpu' ? overwritable(graph, state) : new Set();
  }

  protected override prepare(model: Model): Model {
    return this.device === 'webgpu' ? mendForWebgpu(model) : model;
  }

  protected override prepareStep(model: Model, init: StepSessionInit): PreparedStep {
    const filling = this.device === 'cpu' ? withRefusedOutput(model, init) : undefined;
    return filling ?? super.prepareStep(model, init);
  }
}

function checkThreads(threads: number | undefined): number | undefined {
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= 1024))
    throw new UsageError({
      problem: '--threads',
      expected: 'a whole number from 1 to 1024',
      found: `${threads}`,
    });
  return threads;
}
