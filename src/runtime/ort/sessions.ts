import type { StateBinding } from '../engine.js';
import type { Calls, ModelSource, NamedTensors, OpenOptions, SessionNames } from '../worker/protocol.js';
import type { SessionServer } from '../worker/serve.js';
import { discard } from './discard.js';
import type { Ort } from './load.js';
import { bytesOf, fromOrt, toOrt, zeros } from './tensors.js';

type Tensors = Record<string, Ort.Tensor>;

/**
 * The state of a step graph: two sets of tensors that take turns. `current` is fed (borrowed, not copied), and the run
 * writes the new state straight into `next`, for the runtime fills tensors that are passed as fetches. The binding also
 * makes a copy of every output for its own result, which is freed: about 2 ms for 28 MB, and not to be avoided in 1.30.
 */
interface State {
  readonly bindings: readonly StateBinding[];
  readonly fetch: readonly string[];
  /** Both by input name. */
  current: Tensors;
  next: Tensors;
}

interface Open {
  readonly session: Ort.InferenceSession;
  state?: State;
}

/** The sessions of onnxruntime-node. */
export class SessionTable implements SessionServer {
  readonly #ort: typeof Ort;
  readonly #open = new Map<number, Open>();

  constructor(ort: typeof Ort) {
    this.#ort = ort;
  }

  async open({ session, source, options }: Calls['open']['ask']): Promise<SessionNames> {
    const made = await create(this.#ort, source, sessionOptions(options));
    if (source.kind === 'bytes' && source.bytes.buffer instanceof ArrayBuffer) discard(source.bytes.buffer);
    this.#open.set(session, { session: made });
    return { inputs: made.inputNames, outputs: made.outputNames };
  }

  makeStep({ session, bindings, specs, fetch }: Calls['state']['ask']): null {
    const set = (): Tensors => {
      const tensors = zeros(
        this.#ort,
        specs.map(([, spec]) => spec),
      );
      return Object.fromEntries(specs.map(([name], i) => [name, tensors[i]]));
    };
    this.#get(session).state = { bindings, fetch, current: set(), next: set() };
    return null;
  }

  async run({ session, feeds, fetch }: Calls['run']['ask']): Promise<NamedTensors> {
    const results = await this.#get(session).session.run(this.#tensors(feeds), [...fetch]);
    return fetch.map((name) => [name, fromOrt(pick(results, name), true)] as const);
  }

  async step({ session, feeds }: Calls['step']['ask']): Promise<NamedTensors> {
    const open = this.#get(session);
    const state = stateOf(open);
    const fetches: Record<string, Ort.Tensor | null> = Object.fromEntries([
      ...state.fetch.map((name) => [name, null] as const),
      ...state.bindings.map(({ input, output }) => [output, pick(state.next, input)] as const),
    ]);
    const results = await open.session.run({ ...this.#tensors(feeds), ...state.current }, fetches);
    const filled = state.next;
    state.next = state.current;
    state.current = filled;
    const kept = new Set(state.bindings.map((b) => b.output));
    const fetched = new Set(state.fetch);
    for (const { input, output } of state.bindings)
      if (!fetched.has(output)) discardCopy(pick(results, output), pick(state.current, input));
    return state.fetch.map((name) => [name, fromOrt(pick(results, name), !kept.has(name))] as const);
  }

  readState({ session }: Calls['readState']['ask']): NamedTensors {
    const { current } = stateOf(this.#get(session));
    return Object.entries(current).map(([name, t]) => [name, fromOrt(t, false)] as const);
  }

  writeState({ session, state }: Calls['writeState']['ask']): null {
    const { current } = stateOf(this.#get(session));
    for (const [name, wire] of state) {
      bytesOf(pick(current, name)).set(new Uint8Array(wire.buffer));
      discard(wire.buffer);
    }
    return null;
  }

  async release({ session }: Calls['release']['ask']): Promise<null> {
    const open = this.#open.get(session);
    this.#open.delete(session);
    await open?.session.release();
    return null;
  }

  #get(number: number): Open {
    const open = this.#open.get(number);
    if (!open) throw new Error(`session ${number} is not open`);
    return open;
  }

  #tensors(named: NamedTensors): Tensors {
    return Object.fromEntries(named.map(([name, wire]) => [name, toOrt(this.#ort, wire)]));
  }
}

/** Frees a result that is a copy of the tensor that the run was told to fill. */
function discardCopy(result: Ort.Tensor, filled: Ort.Tensor): void {
  const { buffer } = bytesOf(result);
  if (buffer instanceof ArrayBuffer && buffer !== bytesOf(filled).buffer) discard(buffer);
}

function create(
  ort: typeof Ort,
  source: ModelSource,
  options: Ort.InferenceSession.SessionOptions,
): Promise<Ort.InferenceSession> {
  return source.kind === 'file'
    ? ort.InferenceSession.create(source.path, options)
    : ort.InferenceSession.create(source.bytes, options);
}

function sessionOptions({
  threads,
  spinning,
  optimization,
}: OpenOptions): Ort.InferenceSession.SessionOptions {
  return {
    executionProviders: ['cpu'],
    executionMode: 'sequential',
    // With a memory pattern the second run takes all it needs as one block, beside what the first run left in the arena:
    // 1.4 to 1.8 times the memory for steps that are 2 to 7 % faster (docs/decisions.md, Memory).
    enableMemPattern: false,
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: optimization === 'none' ? 'disabled' : 'all',
    logSeverityLevel: 4,
    extra: {
      session: {
        intra_op: { allow_spinning: spinning ? '1' : '0' },
        // Other sessions and the data loader's threads share the cores: nobody spins between two runs.
        force_spinning_stop: '1',
      },
    },
  };
}

function stateOf(open: Open): State {
  if (!open.state) throw new Error('the session has no state');
  return open.state;
}

function pick(tensors: Tensors, name: string): Ort.Tensor {
  const tensor = tensors[name];
  if (!tensor) throw new Error(`there is no tensor '${name}'`);
  return tensor;
}
