import { discard } from '../../../base/discard.js';
import type { StateBinding } from '../../engine.js';
import type { NamedTensors, WireTensor } from '../../worker/protocol.js';
import type { Ort } from '../load.js';
import { bytesOf, fromOrt, zeros } from '../tensors.js';
import { pick, type StateSpecs, type StepState, type Tensors } from './state.js';

/**
 * State in the memory of the process. It is fed (borrowed, not copied), and the run writes the new state straight into
 * other tensors, for the runtime fills those that are passed as fetches: two sets take turns. State that may be
 * overwritten is there once, fed and filled at the same time (see `in-place.ts`). Where the binding makes results, they
 * are copies, which are freed.
 */
export class HostState implements StepState {
  readonly #bindings: readonly StateBinding[];
  /** By input name; what is overwritten is the same tensor in both. */
  #current: Tensors;
  #next: Tensors;

  constructor(
    ort: typeof Ort,
    bindings: readonly StateBinding[],
    specs: StateSpecs,
    overwritten: ReadonlySet<string>,
  ) {
    this.#bindings = bindings;
    const set = (wanted: StateSpecs): Tensors => {
      const tensors = zeros(
        ort,
        wanted.map(([, spec]) => spec),
      );
      return Object.fromEntries(wanted.map(([name], i) => [name, tensors[i]]));
    };
    this.#current = set(specs);
    this.#next = { ...this.#current, ...set(specs.filter(([name]) => !overwritten.has(name))) };
  }

  get current(): Tensors {
    return this.#current;
  }

  get fetches(): Readonly<Record<string, Ort.Tensor>> {
    return Object.fromEntries(this.#bindings.map(({ input, output }) => [output, pick(this.#next, input)]));
  }

  accept(results: Tensors, fetched: ReadonlySet<string>): void {
    [this.#current, this.#next] = [this.#next, this.#current];
    for (const { input, output } of this.#bindings)
      if (!fetched.has(output)) discardCopy(results[output], pick(this.#current, input));
  }

  async output(name: string): Promise<WireTensor> {
    const binding = this.#bindings.find((b) => b.output === name);
    return fromOrt(pick(this.#current, binding?.input ?? name), false);
  }

  async read(): Promise<NamedTensors> {
    return Object.entries(this.#current).map(([name, t]) => [name, fromOrt(t, false)] as const);
  }

  write(state: NamedTensors): void {
    for (const [name, wire] of state) {
      bytesOf(pick(this.#current, name)).set(new Uint8Array(wire.buffer));
      discard(wire.buffer);
    }
  }

  release(): void {}
}

/** Frees a result, if there is one, that is a copy of the tensor that the run was told to fill. */
function discardCopy(result: Ort.Tensor | undefined, filled: Ort.Tensor): void {
  if (!result) return;
  const { buffer } = bytesOf(result);
  if (buffer instanceof ArrayBuffer && buffer !== bytesOf(filled).buffer) discard(buffer);
}
