import { UsageError } from '../../base/errors.js';
import type { Model } from '../../onnx/index.js';
import { arithmeticCores } from '../cores.js';
import type { Engine, Session, SessionOptions, StepSession, StepSessionInit } from '../engine.js';
import { WorkerClient, WorkerFailure } from './client.js';
import type { Backend } from './protocol.js';
import { OrtSession } from './session.js';
import { runtimeError, type Signature, signatureOf } from './signature.js';
import { type HeldSource, holdSource } from './source.js';
import { checkState, OrtStepSession } from './step-session.js';

export interface OrtEngineOptions {
  /** Threads inside one operator; default: the physical cores. */
  readonly threads?: number;
  /**
   * Whether idle threads busy-wait for the next operator (default). Without it steps are 4 to 10 % slower on a quiet
   * machine and steadier on one that other programs use.
   */
  readonly spinning?: boolean;
}

/** onnxruntime-node in a worker thread, CPU provider. One worker per engine; all its sessions share it. */
export class OrtEngine implements Engine {
  readonly device = 'cpu';
  readonly name: string;
  readonly threads: number;
  /** Execution providers that the installed runtime knows. */
  readonly backends: readonly Backend[];
  readonly #client: WorkerClient;
  readonly #spinning: boolean;
  /** Model files that the runtime may still have mapped. */
  readonly #mapped = new Set<HeldSource>();
  #nextSession = 1;

  private constructor(client: WorkerClient, threads: number, spinning: boolean) {
    this.#client = client;
    this.threads = threads;
    this.backends = client.ready.backends;
    this.#spinning = spinning;
    this.name = `onnxruntime-node ${client.ready.version} (${this.device})`;
  }

  /** @throws UsageError a bad thread count; EnvironmentError the runtime is not installed or cannot be loaded */
  static async start({ threads, spinning = true }: OrtEngineOptions = {}): Promise<OrtEngine> {
    const count = checkThreads(threads) ?? arithmeticCores();
    return new OrtEngine(await WorkerClient.start(), count, spinning);
  }

  async session(model: Model, options: SessionOptions = {}): Promise<Session> {
    const signature = signatureOf(model);
    const number = await this.#open(model, signature, options);
    return new OrtSession(this.#client, number, signature);
  }

  async stepSession(model: Model, init: StepSessionInit): Promise<StepSession> {
    const signature = signatureOf(model);
    checkState(signature, init);
    const number = await this.#open(model, signature, init);
    return OrtStepSession.make(this.#client, number, signature, init);
  }

  async close(): Promise<void> {
    await this.#client.close();
    await Promise.all(Array.from(this.#mapped, (source) => source.dispose()));
    this.#mapped.clear();
  }

  async #open(
    model: Model,
    signature: Signature,
    { threads, optimization = 'all' }: SessionOptions,
  ): Promise<number> {
    const session = this.#nextSession++;
    const held = await holdSource(model);
    const options = {
      threads: checkThreads(threads) ?? this.threads,
      spinning: this.#spinning,
      optimization,
    };
    try {
      await this.#client.call('open', { session, source: held.source, options }, held.transfer);
    } catch (error) {
      throw error instanceof WorkerFailure
        ? runtimeError(`${this.name} cannot load ${signature.label}`, error)
        : error;
    } finally {
      // A mapped file stays readable when it is removed, except on Windows, which refuses to remove it.
      if (process.platform === 'win32') this.#mapped.add(held);
      else await held.dispose();
    }
    return session;
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
