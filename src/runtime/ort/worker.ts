/**
 * The thread that owns every session of one engine. `create` and `run` of onnxruntime-node block their thread for as
 * long as the graph takes, so nothing else may live here.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { ReparamError } from '../../base/errors.js';
import { loadRuntime, type Ort } from './load.js';
import { type Answer, FLAG, type Message, type Request, type WorkerStart } from './protocol.js';
import { SessionTable } from './sessions.js';
import { buffersOf } from './wire.js';

const port = parentPort;
if (!port) throw new Error('this file runs only as a worker thread');
const { flags }: WorkerStart = workerData;
const cells = new Int32Array(flags);

function post(message: Message): void {
  port?.postMessage(message, message.kind === 'failure' ? [] : transferOf(message));
}

function transferOf(message: Message): ArrayBuffer[] {
  switch (message.kind) {
    case 'run':
    case 'step':
    case 'readState':
      return buffersOf(message.answer);
    default:
      return [];
  }
}

async function answer(table: SessionTable, request: Request): Promise<Answer> {
  const { id } = request;
  switch (request.kind) {
    case 'open':
      return { kind: request.kind, id, answer: await table.open(request) };
    case 'state':
      return { kind: request.kind, id, answer: table.makeStep(request) };
    case 'run':
      return { kind: request.kind, id, answer: await table.run(request) };
    case 'step':
      return { kind: request.kind, id, answer: await table.step(request) };
    case 'readState':
      return { kind: request.kind, id, answer: table.readState(request) };
    case 'writeState':
      return { kind: request.kind, id, answer: table.writeState(request) };
    case 'release':
      return { kind: request.kind, id, answer: await table.release(request) };
    default:
      return request satisfies never;
  }
}

/** Handles one request with BUSY raised; does nothing at all once the engine closes. */
async function handle(table: SessionTable, request: Request): Promise<void> {
  Atomics.store(cells, FLAG.BUSY, 1);
  try {
    if (Atomics.load(cells, FLAG.CLOSING) === 1) return;
    post(await answer(table, request));
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    post({ kind: 'failure', id: request.id, message, stack });
  } finally {
    Atomics.store(cells, FLAG.BUSY, 0);
    Atomics.notify(cells, FLAG.BUSY);
  }
}

async function start(): Promise<void> {
  let ort: typeof Ort;
  try {
    ort = await loadRuntime();
  } catch (error) {
    if (!(error instanceof ReparamError)) throw error;
    const { cause, ...facts } = error.facts;
    post({ kind: 'unavailable', facts });
    port?.close();
    return;
  }
  const table = new SessionTable(ort);
  let queue = Promise.resolve();
  port?.on('message', (request: Request) => {
    queue = queue.then(() => handle(table, request));
  });
  post({
    kind: 'ready',
    version: ort.env.versions.node ?? ort.env.versions.common,
    backends: ort.listSupportedBackends(),
  });
}

await start();
