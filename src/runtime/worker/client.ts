import { type ResourceLimits, Worker } from 'node:worker_threads';
import { EnvironmentError } from '../../base/errors.js';
import {
  type Answer,
  type CallKind,
  type Calls,
  FLAG,
  type Greeting,
  type Message,
  type WorkerStart,
} from './protocol.js';

type Ready = Extract<Greeting, { kind: 'ready' }>;

interface Pending {
  readonly kind: CallKind;
  readonly settle: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** A call that the runtime refused; the engine adds what was being run. */
export class WorkerFailure extends Error {
  constructor(message: string, stack: string | undefined) {
    super(message);
    if (stack !== undefined) this.stack = stack;
  }
}

/**
 * The main thread's end of one worker. It keeps the process alive exactly while a call is pending, and makes sure that
 * the thread never ends inside native code (see {@link FLAG}).
 */
export class WorkerClient {
  readonly ready: Ready;
  readonly #worker: Worker;
  readonly #flags: Int32Array;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #ended: EnvironmentError | undefined;

  private constructor(worker: Worker, flags: Int32Array, ready: Ready) {
    this.#worker = worker;
    this.#flags = flags;
    this.ready = ready;
    worker.unref();
    worker.on('message', (message: Message) => this.#receive(message));
    worker.on('error', (error) => this.#crash(describeCrash(error)));
    worker.on('exit', (code) => this.#crash(ended(code)));
    waitAtExit.add(this);
  }

  /**
   * @param file the worker's script, which calls `serve`
   * @param resourceLimits only to test what happens when it fails
   * @throws EnvironmentError when the runtime is not installed or cannot be loaded
   */
  static start(file: URL, resourceLimits?: ResourceLimits): Promise<WorkerClient> {
    const flags = new SharedArrayBuffer(FLAG.COUNT * Int32Array.BYTES_PER_ELEMENT);
    const workerData: WorkerStart = { flags };
    // Node's own flags are not for the worker: it would refuse `--input-type`, and needs no loaders.
    const worker = new Worker(file, { workerData, execArgv: [], ...(resourceLimits && { resourceLimits }) });
    return new Promise((resolve, reject) => {
      // These listeners stay: later calls of reject do nothing, and a late error is not an uncaught one.
      worker.on('error', (error) => reject(describeCrash(error)));
      worker.on('exit', (code) => reject(ended(code)));
      worker.once('message', (greeting: Greeting) => {
        if (greeting.kind === 'ready') resolve(new WorkerClient(worker, new Int32Array(flags), greeting));
        else reject(new EnvironmentError(greeting.facts));
      });
    });
  }

  /** @throws WorkerFailure the runtime's error; EnvironmentError when the thread has ended or ends meanwhile */
  call<K extends CallKind>(
    kind: K,
    ask: Calls[K]['ask'],
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<Calls[K]['answer']> {
    if (this.#ended) return Promise.reject(this.#ended);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const settle = (answer: Answer): void => {
        if (isAnswerTo(kind, answer)) resolve(answer.answer);
        else reject(new Error(`the worker answered ${answer.kind} to ${kind}`));
      };
      this.#worker.postMessage({ kind, id, ...ask }, transfer);
      this.#pending.set(id, { kind, settle, reject });
      this.#worker.ref();
    });
  }

  /**
   * Ends the thread; pending calls are rejected at once. Resolves within a second. A native call that takes longer
   * finishes in the background first, for it cannot be interrupted; the thread then does nothing more.
   */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#end(new EnvironmentError({ problem: 'the engine was closed' }));
    Atomics.store(this.#flags, FLAG.CLOSING, 1);
    const deadline = Date.now() + 800;
    while (this.#isBusy() && Date.now() < deadline) await new Promise((next) => setTimeout(next, 5));
    if (this.#isBusy()) void this.#endWhenIdle();
    else await this.#terminate();
  }

  /**
   * For the very end of the process: blocks until the thread is out of native code. Ending the process while it is
   * inside would turn the exit code into an abort.
   */
  waitSync(): void {
    Atomics.store(this.#flags, FLAG.CLOSING, 1);
    Atomics.wait(this.#flags, FLAG.BUSY, 1);
  }

  #isBusy(): boolean {
    return Atomics.load(this.#flags, FLAG.BUSY) === 1;
  }

  async #endWhenIdle(): Promise<void> {
    while (this.#isBusy()) await new Promise((next) => setTimeout(next, 50).unref());
    await this.#terminate();
  }

  async #terminate(): Promise<void> {
    waitAtExit.delete(this);
    // An idle worker does not hold the process, which would end before the one who waits here goes on.
    this.#worker.ref();
    await this.#worker.terminate();
  }

  #receive(message: Message): void {
    if (message.kind === 'ready' || message.kind === 'unavailable') return;
    const pending = this.#pending.get(message.id);
    if (!pending) return;
    this.#pending.delete(message.id);
    if (this.#pending.size === 0) this.#worker.unref();
    if (message.kind === 'failure') pending.reject(new WorkerFailure(message.message, message.stack));
    else pending.settle(message);
  }

  #crash(error: EnvironmentError): void {
    waitAtExit.delete(this);
    this.#end(error);
  }

  #end(error: EnvironmentError): void {
    this.#ended ??= error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    this.#worker.unref();
  }
}

const CRASHED = 'the thread that runs the model ended unexpectedly';

function describeCrash(error: Error): EnvironmentError {
  const outOfMemory = 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
  return new EnvironmentError({
    problem: outOfMemory ? 'the thread that runs the model ran out of memory' : CRASHED,
    found: error.message,
    ...(outOfMemory && { hint: 'use a smaller batch' }),
    cause: error,
  });
}

function ended(code: number): EnvironmentError {
  return new EnvironmentError({ problem: CRASHED, found: `exit code ${code}` });
}

function isAnswerTo<K extends CallKind>(kind: K, answer: Answer): answer is Extract<Answer, { kind: K }> {
  return answer.kind === kind;
}

/** Threads that may be in native code when the process ends. One listener for all of them. */
const waitAtExit = new Set<WorkerClient>();
process.on('exit', () => {
  for (const client of waitAtExit) client.waitSync();
});
