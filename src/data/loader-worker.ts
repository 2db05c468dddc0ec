import { parentPort } from 'node:worker_threads';
import { InputError } from '../base/errors.js';
import { type ChunkJob, renderChunk } from './chunk.js';
import type { Reply } from './pool.js';

// The other end of WorkerPool: one chunk after the other, pixels handed over without a copy.
const port = parentPort;
if (port === null) throw new Error('loader-worker.js runs as a worker thread only');
let last: Promise<void> = Promise.resolve();
port.on('message', ({ id, job }: { id: number; job: ChunkJob }) => {
  last = last.then(async () => {
    try {
      const result = await renderChunk(job);
      const reply: Reply = { id, result };
      port.postMessage(reply, [result.images.buffer]);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const reply: Reply = { id, error: { input: error instanceof InputError, message } };
      port.postMessage(reply);
    }
  });
});
