import type { StateBinding } from '../../engine.js';
import type { NamedTensors, WireTensor } from '../../worker/protocol.js';
import type { Ort } from '../load.js';
import { toOrt, zeros } from '../tensors.js';
import type { DeviceTensors } from './device-tensors.js';
import { pick, type StateSpecs, type StepState, type Tensors } from './state.js';

/**
 * State in buffers of the device: the outputs of a step are fed to the next one as they are. A tensor that was written,
 * by the caller or at the start, lies in the memory of the process until the first step that takes it.
 */
export class DeviceState implements StepState {
  readonly #ort: typeof Ort;
  readonly #device: DeviceTensors;
  readonly #bindings: readonly StateBinding[];
  /** By input name. */
  readonly #current: Record<string, Ort.Tensor> = {};

  constructor(ort: typeof Ort, device: DeviceTensors, bindings: readonly StateBinding[], specs: StateSpecs) {
    this.#ort = ort;
    this.#device = device;
    this.#bindings = bindings;
    const first = zeros(
      ort,
      specs.map(([, spec]) => spec),
    );
    for (const [i, [name]] of specs.entries()) this.#put(name, first[i]);
  }

  get current(): Tensors {
    return this.#current;
  }

  get fetches(): Readonly<Record<string, null>> {
    return Object.fromEntries(this.#bindings.map(({ output }) => [output, null]));
  }

  accept(results: Tensors): void {
    for (const { input, output } of this.#bindings) this.#put(input, pick(results, output));
  }

  output(name: string): Promise<WireTensor> {
    const binding = this.#bindings.find((b) => b.output === name);
    return this.#device.read(pick(this.#current, binding?.input ?? name));
  }

  async read(): Promise<NamedTensors> {
    const read: [string, WireTensor][] = [];
    for (const [name, tensor] of Object.entries(this.#current))
      read.push([name, await this.#device.read(tensor)]);
    return read;
  }

  write(state: NamedTensors): void {
    for (const [name, wire] of state) this.#put(name, toOrt(this.#ort, wire));
  }

  release(): void {
    for (const tensor of Object.values(this.#current)) this.#device.drop(tensor);
  }

  #put(name: string, tensor: Ort.Tensor): void {
    const old = this.#current[name];
    if (old) this.#device.drop(old);
    this.#device.hold(tensor);
    this.#current[name] = tensor;
  }
}
