import type { Tensor } from '../../onnx/index.js';
import type { FeedOptions, Session } from '../engine.js';
import { type WorkerClient, WorkerFailure } from './client.js';
import { checkFeeds, checkOutputs, describeTensor, runtimeError, type Signature } from './signature.js';
import { buffersOf, fromWireAll, toWireAll } from './wire.js';

export class WorkerSession implements Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #client: WorkerClient;
  readonly #number: number;
  readonly #signature: Signature;

  constructor(client: WorkerClient, number: number, signature: Signature) {
    this.#client = client;
    this.#number = number;
    this.#signature = signature;
    this.inputNames = [...signature.inputs].filter(([, spec]) => spec.required).map(([name]) => name);
    this.outputNames = signature.outputs;
  }

  async run(
    feeds: ReadonlyMap<string, Tensor>,
    fetch: readonly string[] = this.outputNames,
    options: FeedOptions = {},
  ): Promise<Map<string, Tensor>> {
    checkFeeds(this.#signature, feeds);
    checkOutputs(this.#signature, fetch);
    const wire = toWireAll(feeds, options.give);
    const names = [...new Set(fetch)];
    try {
      const ask = { session: this.#number, feeds: wire, fetch: names };
      return fromWireAll(await this.#client.call('run', ask, buffersOf(wire)));
    } catch (error) {
      throw describeFailure(error, this.#signature, feeds);
    }
  }

  async release(): Promise<void> {
    await this.#client.call('release', { session: this.#number });
  }
}

/** Adds what was being run to an error of the runtime; others pass. */
export function describeFailure(
  error: unknown,
  signature: Signature,
  feeds: ReadonlyMap<string, Tensor>,
): unknown {
  if (!(error instanceof WorkerFailure)) return error;
  const inputs = Array.from(feeds, ([name, t]) => `${name} ${describeTensor(t)}`).join(', ');
  return runtimeError(`running ${signature.label} on ${inputs || 'no inputs'}`, error);
}
