import { UsageError } from '../../base/errors.js';
import { workerUrl } from '../../base/worker.js';
import type { DataType, Model } from '../../onnx/index.js';
import { arithmeticCores } from '../cores.js';
import type { Device } from '../engine.js';
import { WorkerClient } from '../worker/client.js';
import { WorkerEngine } from '../worker/engine.js';
import type { OpenOptions } from '../worker/protocol.js';
import { chosenPackage } from './load.js';
import type { TfjsPackage } from './package.js';
import { prepareForTfjs } from './prepare.js';
import { isHeld } from './tensors.js';

export interface TfjsEngineOptions {
  /** TensorFlow.js takes no number of threads: given one, the engine refuses to start. */
  readonly threads?: number;
}

/**
 * TensorFlow.js in a worker thread: graphs of standard operators, each run as operations of the library. Operators and
 * element types that it does not have are refused when a session is made.
 */
export class TfjsEngine extends WorkerEngine {
  readonly device: Device;
  readonly name: string;
  readonly threads: number;
  readonly partial = true;

  private constructor(client: WorkerClient, { name, device }: TfjsPackage) {
    super(client);
    const { version, backends } = client.ready;
    this.device = device;
    this.name = `${name} ${version} (${backends.map((b) => b.name).join(', ')})`;
    this.threads = name === '@tensorflow/tfjs' ? 1 : arithmeticCores();
  }

  /**
   * @throws UsageError for a number of threads; EnvironmentError when no package of TensorFlow.js is installed or the
   *   preferred one cannot be loaded
   */
  static async start({ threads }: TfjsEngineOptions = {}): Promise<TfjsEngine> {
    if (threads !== undefined)
      throw new UsageError({
        problem: `--threads ${threads} with --engine tfjs`,
        expected: 'no --threads: TensorFlow.js decides itself',
      });
    const found = chosenPackage();
    return new TfjsEngine(await WorkerClient.start(workerUrl(import.meta.url, './worker.js')), found);
  }

  protected override isFeedable(type: DataType): boolean {
    return isHeld(type);
  }

  protected override prepare(model: Model): Model {
    return prepareForTfjs(model);
  }

  /** None of it means anything here: nodes run as they are written, on the threads that the library has. */
  protected override openOptions(): OpenOptions {
    return { threads: this.threads, spinning: false, optimization: 'none' };
  }
}
