import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { ReparamError } from '../../base/errors.js';
import {
  type Answer,
  type Calls,
  FLAG,
  type Greeting,
  type Message,
  type Request,
  type WorkerStart,
} from './protocol.js';
import { buffersOf } from './wire.js';

type Handler<K extends keyof Calls> = (
  ask: Calls[K]['ask'],
) => Calls[K]['answer'] | Promise<Calls[K]['answer']>;

/** A runtime's sessions, by number. Methods are called one after the other, never overlapping. */
export interface SessionServer {
  open: Handler<'open'>;
  makeStep: Handler<'state'>;
  run: Handler<'run'>;
  step: Handler<'step'>;
  readState: Handler<'readState'>;
  writeState: Handler<'writeState'>;
  release: Handler<'release'>;
}

/** A runtime that was loaded: what the main thread is told of it, and its sessions. */
export interface Served extends Omit<Extract<Greeting, { kind: 'ready' }>, 'kind'> {
  readonly sessions: SessionServer;
}

/**
 * The worker's end: loads a runtime and answers the main thread's calls in order, for as long as the thread lives.
 * Runtimes block their thread for as long as a graph takes, so nothing else may live there.
 * @param load may throw an EnvironmentError, which the main thread then throws
 */
export async function serve(load: () => Promise<Served>): Promise<void> {
  const port = parentPort;
  if (!port) throw new Error('this file runs only as a worker thread');
  const { flags }: WorkerStart = workerData;
  const cells = new Int32Array(flags);
  let served: Served;
  try {
    served = await load();
  } catch (error) {
    if (!(error instanceof ReparamError)) throw error;
    const { cause: _, ...facts } = error.facts;
    post(port, { kind: 'unavailable', facts });
    port.close();
    return;
  }
  const { sessions, ...ready } = served;
  let queue = Promise.resolve();
  port.on('message', (request: Request) => {
    queue = queue.then(() => handle(port, cells, sessions, request));
  });
  post(port, { kind: 'ready', ...ready });
}

/** Handles one request with BUSY raised; does nothing at all once the engine closes. */
async function handle(
  port: MessagePort,
  cells: Int32Array,
  sessions: SessionServer,
  request: Request,
): Promise<void> {
  Atomics.store(cells, FLAG.BUSY, 1);
  try {
    if (Atomics.load(cells, FLAG.CLOSING) === 1) return;
    post(port, await answer(sessions, request));
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    post(port, { kind: 'failure', id: request.id, message, stack });
  } finally {
    Atomics.store(cells, FLAG.BUSY, 0);
    Atomics.notify(cells, FLAG.BUSY);
  }
}

async function answer(sessions: SessionServer, request: Request): Promise<Answer> {
  const { id } = request;
  switch (request.kind) {
    case 'open':
      return { kind: request.kind, id, answer: await sessions.open(request) };
    case 'state':
      return { kind: request.kind, id, answer: await sessions.makeStep(request) };
    case 'run':
      return { kind: request.kind, id, answer: await sessions.run(request) };
    case 'step':
      return { kind: request.kind, id, answer: await sessions.step(request) };
    case 'readState':
      return { kind: request.kind, id, answer: await sessions.readState(request) };
    case 'writeState':
      return { kind: request.kind, id, answer: await sessions.writeState(request) };
    case 'release':
      return { kind: request.kind, id, answer: await sessions.release(request) };
    default:
      return request satisfies never;
  }
}

function post(port: MessagePort, message: Message): void {
  port.postMessage(message, message.kind === 'failure' ? [] : transferOf(message));
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
