import { Worker } from 'node:worker_threads';
import { EnvironmentError, InputError, UsageError } from '../base/errors.js';
import { workerUrl } from '../base/worker.js';
import { type ChunkJob, type ChunkResult, renderChunk } from './chunk.js';

/** Renders chunks somewhere. Chunks may finish in any order. */
export interface Pool {
  /** How many chunks can be worked on at once. */
  readonly lanes: number;
  submit(job: ChunkJob): Promise<ChunkResult>;
  close(): Promise<void>;
}

/** In this thread, one chunk after the other; other events get their turn between chunks. */
export class InlinePool implements Pool {
  readonly lanes = 1;
  #last: Promise<unknown> = Promise.resolve();

  submit(job: ChunkJob): Promise<ChunkResult> {
    const result = this.#last.then(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      return renderChunk(job);
    });
    this.#last = result.catch(() => undefined);
    return result;
  }

  async close(): Promise<void> {
    await this.#last;
  }
}

/** What a worker answers. */
export type Reply =
  | { readonly id: number; readonly result: ChunkResult }
  | { readonly id: number; readonly error: { readonly input: boolean; readonly message: string } };

interface Pending {
  readonly resolve: (result: ChunkResult) => void;
  readonly reject: (error: Error) => void;
}

interface Lane {
  readonly worker: Worker;
  readonly pending: Map<number, Pending>;
}

/** In worker threads. They keep the process alive only while they have work. */
export class WorkerPool implements Pool {
  readonly #lanes: Lane[] = [];
  #next = 0;
  #failure: EnvironmentError | undefined;
  #closing = false;

  /** @param url the worker's file; only tests give another. @throws UsageError for fewer than one worker */
  constructor(workers: number, url: URL = workerUrl(import.meta.url, './loader-worker.js')) {
    if (!Number.isInteger(workers) || workers < 1)
      throw new UsageError({
        problem: 'loader workers',
        expected: 'a positive whole number',
        found: `${workers}`,
      });
    for (let i = 0; i < workers; i++) {
      // Flags of the host, such as --input-type with -e, would keep the worker from starting.
      const worker = new Worker(url, { execArgv: [] });
      const lane: Lane = { worker, pending: new Map() };
      worker.unref();
      worker.on('message', (reply: Reply) => this.#settle(lane, reply));
      worker.on('messageerror', (error) => this.#fail(error.message, error));
      worker.on('error', (error) =>
        this.#fail(error instanceof Error ? error.message : String(error), error),
      );
      worker.on('exit', (code) => {
        if (!this.#closing) this.#fail(`it exited with code ${code}`);
      });
      this.#lanes.push(lane);
    }
  }

  get lanes(): number {
    return this.#lanes.length;
  }

  submit(job: ChunkJob): Promise<ChunkResult> {
    if (this.#failure) return Promise.reject(this.#failure);
    const lane = this.#lanes.reduce((a, b) => (b.pending.size < a.pending.size ? b : a));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      lane.pending.set(id, { resolve, reject });
      lane.worker.ref();
      // A view would take its whole buffer along: pixels are copied out first.
      const rows = job.rows.map((row) =>
        row.source.kind === 'file'
          ? row
          : {
              ...row,
              source: {
                ...row.source,
                image: { ...row.source.image, pixels: new Uint8Array(row.source.image.pixels) },
              },
            },
      );
      lane.worker.postMessage({ id, job: { ...job, rows } });
    });
  }

  #settle(lane: Lane, reply: Reply): void {
    const pending = lane.pending.get(reply.id);
    lane.pending.delete(reply.id);
    if (lane.pending.size === 0 && !this.#closing) lane.worker.unref();
    if ('result' in reply) pending?.resolve(reply.result);
    else if (reply.error.input) pending?.reject(new InputError({ problem: reply.error.message }));
    else pending?.reject(new Error(`image loading worker: ${reply.error.message}`));
  }

  #fail(found: string, cause?: unknown): void {
    this.#failure ??= new EnvironmentError({
      problem: 'an image loading worker stopped',
      found,
      hint: 'lower --workers (0 decodes in the main thread); it may have run out of memory',
      cause,
    });
    for (const { worker, pending } of this.#lanes) {
      for (const { reject } of pending.values()) reject(this.#failure);
      pending.clear();
      if (!this.#closing) worker.unref();
    }
  }

  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(
      this.#lanes.map(({ worker }) => {
        // An idle worker does not hold the process, which would end before the one who waits here goes on. A late
        // answer must not undo this: see #settle.
        worker.ref();
        return worker.terminate();
      }),
    );
    const closed = new EnvironmentError({ problem: 'the loader was closed while it was working' });
    for (const { pending } of this.#lanes) {
      for (const { reject } of pending.values()) reject(closed);
      pending.clear();
    }
  }
}
