import { discard } from '../../base/discard.js';
import type { Calls, ModelSource, NamedTensors, OpenOptions, SessionNames } from '../worker/protocol.js';
import type { SessionServer } from '../worker/serve.js';
import type { Ort } from './load.js';
import { executionOf, PROVIDERS } from './providers.js';
import { fillingRun, type RunStep, returningRun } from './run-step.js';
import { DeviceState } from './state/device.js';
import { DeviceTensors } from './state/device-tensors.js';
import { HostState } from './state/host.js';
import { pick, type StepState } from './state/state.js';
import { fromOrt, toOrt } from './tensors.js';

interface Open {
  readonly session: Ort.InferenceSession;
  readonly profiled: boolean;
  /** A step session's: what comes back from each step, which of it is state, and where the state is. */
  step?: {
    readonly fetch: readonly string[];
    readonly stateful: ReadonlySet<string>;
    readonly state: StepState;
    readonly run: RunStep;
  };
}

/** The sessions of onnxruntime-node, all on one device. */
export class SessionTable implements SessionServer {
  readonly #ort: typeof Ort;
  readonly #open = new Map<number, Open>();
  #device: DeviceTensors | undefined;

  constructor(ort: typeof Ort) {
    this.#ort = ort;
  }

  /** What lies on the device; undefined where nothing can, or no session is open yet. */
  get device(): DeviceTensors | undefined {
    return this.#device;
  }

  async open({ session, source, options }: Calls['open']['ask']): Promise<SessionNames> {
    if (PROVIDERS[options.device ?? 'cpu'].keepsTensors)
      this.#device ??= new DeviceTensors(this.#ort, readerOptions(options));
    const made = await create(this.#ort, source, sessionOptions(options));
    if (source.kind === 'bytes' && source.bytes.buffer instanceof ArrayBuffer) discard(source.bytes.buffer);
    this.#open.set(session, { session: made, profiled: options.profile !== undefined });
    return { inputs: made.inputNames, outputs: made.outputNames };
  }

  async makeStep(ask: Calls['state']['ask']): Promise<null> {
    const { session, bindings, specs, fetch, overwritten, refused } = ask;
    const filling = refused && (await fillingRun(this.#ort, refused));
    this.#get(session).step = {
      fetch,
      stateful: new Set(bindings.map((b) => b.output).filter((name) => fetch.includes(name))),
      state: this.#device
        ? new DeviceState(this.#ort, this.#device, bindings, specs)
        : new HostState(this.#ort, bindings, specs, new Set(overwritten)),
      run: filling ?? returningRun(fetch),
    };
    return null;
  }

  async run({ session, feeds, fetch }: Calls['run']['ask']): Promise<NamedTensors> {
    const results = await this.#get(session).session.run(this.#tensors(feeds), [...fetch]);
    return fetch.map((name) => [name, fromOrt(pick(results, name), true)] as const);
  }

  async step({ session, feeds }: Calls['step']['ask']): Promise<NamedTensors> {
    const open = this.#get(session);
    const { fetch, stateful, state, run } = stepOf(open);
    const results = await run(open.session, { ...this.#tensors(feeds), ...state.current }, state.fetches);
    state.accept(results, stateful);
    const out: [string, NamedTensors[number][1]][] = [];
    for (const name of fetch)
      out.push([name, stateful.has(name) ? await state.output(name) : fromOrt(pick(results, name), true)]);
    return out;
  }

  readState({ session }: Calls['readState']['ask']): Promise<NamedTensors> {
    return stepOf(this.#get(session)).state.read();
  }

  writeState({ session, state }: Calls['writeState']['ask']): null {
    stepOf(this.#get(session)).state.write(state);
    return null;
  }

  async release({ session }: Calls['release']['ask']): Promise<null> {
    const open = this.#open.get(session);
    this.#open.delete(session);
    open?.step?.state.release();
    if (open?.profiled) open.session.endProfiling();
    await open?.session.release();
    return null;
  }

  #get(number: number): Open {
    const open = this.#open.get(number);
    if (!open) throw new Error(`session ${number} is not open`);
    return open;
  }

  #tensors(named: NamedTensors): Record<string, Ort.Tensor> {
    return Object.fromEntries(named.map(([name, wire]) => [name, toOrt(this.#ort, wire)]));
  }
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
  device = 'cpu',
  keep = [],
  profile,
  webgpu,
}: OpenOptions): Ort.InferenceSession.SessionOptions {
  return {
    executionProviders: [executionOf(device, webgpu)],
    preferredOutputLocation: Object.fromEntries(keep.map((name) => [name, 'gpu-buffer' as const])),
    executionMode: 'sequential',
    ...(profile !== undefined && { enableProfiling: true, profileFilePrefix: profile }),
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

/** Of sessions that read what another one's outputs left on the device. */
function readerOptions({ profile: _, ...options }: OpenOptions): Ort.InferenceSession.SessionOptions {
  return sessionOptions({ ...options, keep: [] });
}

function stepOf(open: Open): NonNullable<Open['step']> {
  if (!open.step) throw new Error('the session has no state');
  return open.step;
}
