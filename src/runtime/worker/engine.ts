import type { DataType, Model } from '../../onnx/index.js';
import type { Device, Engine, Session, SessionOptions, StepSession, StepSessionInit } from '../engine.js';
import { type WorkerClient, WorkerFailure } from './client.js';
import type { OpenOptions, RefusedOutput } from './protocol.js';
import { WorkerSession } from './session.js';
import { runtimeError, type Signature, signatureOf } from './signature.js';
import { type HeldSource, holdSource } from './source.js';
import { checkState, WorkerStepSession } from './step-session.js';

export interface PreparedStep {
  readonly model: Model;
  readonly refused: RefusedOutput | undefined;
}

/** An engine whose runtime lives in a worker thread. One worker per engine; all its sessions share it. */
export abstract class WorkerEngine implements Engine {
  abstract readonly device: Device;
  abstract readonly name: string;
  abstract readonly threads: number;
  readonly #client: WorkerClient;
  /** Model files that the runtime may still have mapped. */
  readonly #mapped = new Set<HeldSource>();
  #nextSession = 1;

  protected constructor(client: WorkerClient) {
    this.#client = client;
  }

  /** Whether tensors of this type can go into the runtime. */
  protected abstract isFeedable(type: DataType): boolean;

  /** What the worker is told beside the model. @throws UsageError for what the engine cannot do */
  protected abstract openOptions(options: SessionOptions): OpenOptions;

  /** Outputs of a step graph that stay where the runtime computes. Default: none. */
  protected keptOutputs(_: StepSessionInit): readonly string[] {
    return [];
  }

  /** Names of state that a step writes over while it runs: a step that fails half way loses it. Default: none. */
  protected overwritten(_model: Model, _init: StepSessionInit): ReadonlySet<string> {
    return new Set();
  }

  /**
   * The model that the runtime gets for one: the same function, written as it computes it right. Default: the model.
   * @throws UnsupportedError for one that cannot run here
   */
  protected prepare(model: Model): Model {
    return model;
  }

  /** The model that the runtime gets for a step session, and how the worker runs it. Default: as any other. */
  protected prepareStep(model: Model, _init: StepSessionInit): PreparedStep {
    return { model: this.prepare(model), refused: undefined };
  }

  async session(model: Model, options: SessionOptions = {}): Promise<Session> {
    const signature = this.#signature(model);
    const number = await this.#open(this.prepare(model), signature, this.openOptions(options));
    return new WorkerSession(this.#client, number, signature);
  }

  async stepSession(model: Model, init: StepSessionInit): Promise<StepSession> {
    const signature = this.#signature(model);
    checkState(signature, init);
    const prepared = this.prepareStep(model, init);
    const number = await this.#open(prepared.model, signature, {
      ...this.openOptions(init),
      keep: this.keptOutputs(init),
    });
    const overwritten = this.overwritten(model, init);
    return WorkerStepSession.make(this.#client, number, signature, init, {
      overwritten,
      refused: prepared.refused,
    });
  }

  async close(): Promise<void> {
    await this.#client.close();
    await Promise.all(Array.from(this.#mapped, (source) => source.dispose()));
    this.#mapped.clear();
  }

  #signature(model: Model): Signature {
    return signatureOf(model, (type) => this.isFeedable(type));
  }

  /** @param model as the runtime gets it */
  async #open(model: Model, signature: Signature, options: OpenOptions): Promise<number> {
    const session = this.#nextSession++;
    const held = await holdSource(model);
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
