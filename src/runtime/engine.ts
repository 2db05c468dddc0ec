import type { Model, Tensor } from '../onnx/index.js';

/** Devices a graph can run on. Only `cpu` is built so far; the others have their place here. */
export type Device = 'cpu' | 'webgpu' | 'cuda';

export interface SessionOptions {
  /** Threads inside one operator; default: the engine's (cores). */
  readonly threads?: number;
  /** `all` is the runtime's default; `none` for a reference run whose nodes must stay as written. */
  readonly optimization?: 'all' | 'none';
}

export interface FeedOptions {
  /**
   * The caller needs the fed tensors no longer: a buffer that a tensor fills alone moves to the engine without a copy
   * and is empty afterwards. Default: feeds are copied.
   */
  readonly give?: boolean;
}

/** A model ready to run, by names. */
export interface Session {
  /** Inputs that have to be fed. */
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /**
   * @param feeds every required input by name; checked for name, dtype and dims before the run
   * @param fetch outputs wanted (default: all)
   * @throws ReparamError naming the model, the inputs with dims, and the runtime's own message as cause
   */
  run(
    feeds: ReadonlyMap<string, Tensor>,
    fetch?: readonly string[],
    options?: FeedOptions,
  ): Promise<Map<string, Tensor>>;
  release(): Promise<void>;
}

/** State that a step graph takes as `input` and gives back, changed, as `output` (same dtype and dims). */
export interface StateBinding {
  readonly input: string;
  readonly output: string;
}

export interface StepSessionInit extends SessionOptions {
  readonly state: readonly StateBinding[];
  /** First value of every state input. */
  readonly initial: ReadonlyMap<string, Tensor>;
  /** Outputs that come back from every step (loss, metrics). */
  readonly fetch: readonly string[];
}

/** A graph run again and again, whose state stays where it is cheapest and is not copied from step to step. */
export interface StepSession {
  /** Runs one step with the data inputs; resolves with the fetched outputs. Calls queue in order. */
  step(feeds: ReadonlyMap<string, Tensor>, options?: FeedOptions): Promise<Map<string, Tensor>>;
  /**
   * A copy of the whole state, by input name, as after the last completed step.
   * @throws CheckFailedError after a step that failed half way and lost state; {@link writeState} gives it back
   */
  readState(): Promise<Map<string, Tensor>>;
  /** Replaces state; names not given keep their value. */
  writeState(state: ReadonlyMap<string, Tensor>): Promise<void>;
  release(): Promise<void>;
}

/** Where graphs run. One implementation per runtime; sessions live in a worker thread so that the caller stays responsive. */
export interface Engine {
  readonly device: Device;
  /** Runtime and version, e.g. `onnxruntime-node 1.30.0 (cpu)`. */
  readonly name: string;
  /** Threads inside one operator unless a session says otherwise. Results may differ in the last bits between counts. */
  readonly threads: number;
  /**
   * Only some operators run here; others are refused when a session is made. What a model's preparation computes (shapes
   * that only a run tells, constants) is then left to an engine that runs them all.
   */
  readonly partial?: boolean;
  session(model: Model, options?: SessionOptions): Promise<Session>;
  stepSession(model: Model, init: StepSessionInit): Promise<StepSession>;
  /**
   * Ends the worker; pending calls are rejected at once. Resolves within a second, even in the middle of a step. A step
   * cannot be interrupted inside the runtime: it then finishes in the background, and its result is dropped. A process
   * that wants to end before that must do so by a signal (`process.kill(process.pid, 'SIGINT')` without a listener);
   * `process.exit` first waits for the step.
   */
  close(): Promise<void>;
}
