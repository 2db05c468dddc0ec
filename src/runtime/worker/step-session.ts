import { collectGarbage } from '../../base/collect-garbage.js';
import { CheckFailedError, InputError } from '../../base/errors.js';
import { byteSize, type Tensor } from '../../onnx/index.js';
import type { FeedOptions, StepSession, StepSessionInit } from '../engine.js';
import type { WorkerClient } from './client.js';
import type { RefusedOutput, TensorSpec } from './protocol.js';
import { describeFailure } from './session.js';
import { checkFeeds, checkOutputs, checkTensors, describeTensor, type Signature } from './signature.js';
import { buffersOf, fromWireAll, toWireAll } from './wire.js';

/** First values go to the worker in parts of about this many bytes: all at once they would be there twice. */
const PART = 2 ** 24;

interface HowToStep {
  /** State that a step writes over while it runs. */
  readonly overwritten: ReadonlySet<string>;
  readonly refused: RefusedOutput | undefined;
}

/** The main thread's end of a step graph; the state lives in the worker (see `sessions.ts`). */
export class WorkerStepSession implements StepSession {
  readonly #client: WorkerClient;
  readonly #number: number;
  readonly #signature: Signature;
  /** By input name; type and dims of a state never change. */
  readonly #specs: ReadonlyMap<string, TensorSpec>;
  /** State that a step writes over while it runs. */
  readonly #overwritten: ReadonlySet<string>;
  /** State that a failed step may have left half written. */
  readonly #lost = new Set<string>();

  private constructor(
    client: WorkerClient,
    number: number,
    signature: Signature,
    specs: ReadonlyMap<string, TensorSpec>,
    overwritten: ReadonlySet<string>,
  ) {
    this.#client = client;
    this.#number = number;
    this.#signature = signature;
    this.#specs = specs;
    this.#overwritten = overwritten;
  }

  static async make(
    client: WorkerClient,
    number: number,
    signature: Signature,
    init: StepSessionInit,
    { overwritten, refused }: HowToStep,
  ): Promise<WorkerStepSession> {
    // Callers pass more than the names; a message would copy all of it.
    const bindings = init.state.map(({ input, output }) => ({ input, output }));
    const specs = new Map(
      Array.from(
        init.initial,
        ([name, { dataType, dims }]) => [name, { dataType, dims: [...dims] }] as const,
      ),
    );
    const fetch = [...new Set(init.fetch)];
    await client.call('state', {
      session: number,
      bindings,
      specs: [...specs],
      fetch,
      overwritten: [...overwritten],
      refused,
    });
    const session = new WorkerStepSession(client, number, signature, specs, overwritten);
    await session.#fill(init.initial);
    return session;
  }

  async step(feeds: ReadonlyMap<string, Tensor>, options: FeedOptions = {}): Promise<Map<string, Tensor>> {
    checkFeeds(this.#signature, feeds, new Set(this.#specs.keys()));
    this.#requireState();
    const wire = toWireAll(feeds, options.give);
    try {
      const ask = { session: this.#number, feeds: wire };
      return fromWireAll(await this.#client.call('step', ask, buffersOf(wire)));
    } catch (error) {
      for (const name of this.#overwritten) this.#lost.add(name);
      throw describeFailure(error, this.#signature, feeds);
    }
  }

  async readState(): Promise<Map<string, Tensor>> {
    this.#requireState();
    return fromWireAll(await this.#client.call('readState', { session: this.#number }));
  }

  async writeState(state: ReadonlyMap<string, Tensor>): Promise<void> {
    const { label } = this.#signature;
    for (const [name, tensor] of state) {
      const spec = this.#specs.get(name);
      if (!spec) throw new InputError({ problem: `${label} has no state '${name}'` });
      if (spec.dataType !== tensor.dataType || `${spec.dims}` !== `${tensor.dims}`)
        throw new InputError({
          problem: `${label}: state '${name}' does not fit`,
          expected: describeTensor(spec),
          found: describeTensor(tensor),
        });
    }
    await this.#write(state);
    for (const name of state.keys()) this.#lost.delete(name);
  }

  #requireState(): void {
    if (this.#lost.size === 0) return;
    const [first] = this.#lost;
    throw new CheckFailedError({
      problem: `${this.#signature.label}: a step failed half way, and its state is lost`,
      found: `${this.#lost.size} tensors that the step was writing over, '${first}' among them`,
      hint: 'write them again, or continue from the last checkpoint',
    });
  }

  /** Nobody else has the session yet: nothing can come between two parts. */
  async #fill(initial: ReadonlyMap<string, Tensor>): Promise<void> {
    let part = new Map<string, Tensor>();
    let bytes = 0;
    let parts = 0;
    for (const [name, tensor] of initial) {
      part.set(name, tensor);
      bytes += byteSize(tensor.dataType, tensor.size);
      if (bytes < PART) continue;
      await this.#write(part);
      part = new Map();
      bytes = 0;
      parts++;
    }
    await this.#write(part);
    if (parts > 0) collectGarbage();
  }

  async #write(state: ReadonlyMap<string, Tensor>): Promise<void> {
    const wire = toWireAll(state);
    await this.#client.call('writeState', { session: this.#number, state: wire }, buffersOf(wire));
  }

  async release(): Promise<void> {
    await this.#client.call('release', { session: this.#number });
  }
}

/** @throws InputError when state, initial values and the graph do not belong together */
export function checkState(signature: Signature, { state, initial, fetch }: StepSessionInit): void {
  const { label } = signature;
  const seen = new Set<string>();
  for (const { input, output } of state) {
    const tensor = initial.get(input);
    if (!tensor) throw new InputError({ problem: `${label}: state '${input}' has no initial value` });
    if (seen.has(`i${input}`) || seen.has(`o${output}`))
      throw new InputError({ problem: `${label}: state '${input}' → '${output}' is bound twice` });
    seen.add(`i${input}`).add(`o${output}`);
  }
  for (const name of initial.keys())
    if (!seen.has(`i${name}`))
      throw new InputError({ problem: `${label}: initial value '${name}' belongs to no state` });
  checkTensors(signature, initial);
  checkOutputs(signature, [...state.map((b) => b.output), ...fetch]);
}
