import type { WireTensor } from '../../worker/protocol.js';
import type { Ort } from '../load.js';
import { type DeviceType, staysOnDevice } from '../providers.js';
import { fromOrt } from '../tensors.js';

/**
 * The tensors of a worker that lie in buffers of the device. To ask such a tensor for its data ends the process (the
 * binding, 1.30), so it is read by running an Identity whose output is not on the device.
 */
export class DeviceTensors {
  readonly #ort: typeof Ort;
  readonly #options: Ort.InferenceSession.SessionOptions;
  readonly #live = new Set<Ort.Tensor>();
  readonly #readers = new Map<DeviceType, Promise<Ort.InferenceSession>>();
  #readBytes = 0;

  /** @param options of the sessions that read; they keep no output on the device */
  constructor(ort: typeof Ort, options: Ort.InferenceSession.SessionOptions) {
    this.#ort = ort;
    this.#options = options;
  }

  /** Buffers that are held. */
  get live(): number {
    return this.#live.size;
  }

  /** Bytes that have been read back so far. */
  get readBytes(): number {
    return this.#readBytes;
  }

  hold(tensor: Ort.Tensor): void {
    if (tensor.location !== 'cpu') this.#live.add(tensor);
  }

  drop(tensor: Ort.Tensor): void {
    if (this.#live.delete(tensor)) tensor.dispose();
  }

  /** A copy of a tensor, wherever it lies. */
  async read(tensor: Ort.Tensor): Promise<WireTensor> {
    if (tensor.location === 'cpu') return fromOrt(tensor, false);
    if (!staysOnDevice(tensor.type)) throw new Error(`${tensor.type} tensors cannot be read back`);
    const reader = await this.#reader(tensor.type);
    const wire = fromOrt((await reader.run({ x: tensor })).y, true);
    this.#readBytes += wire.buffer.byteLength;
    return wire;
  }

  #reader(type: DeviceType): Promise<Ort.InferenceSession> {
    const made = this.#readers.get(type) ?? this.#makeReader(type);
    this.#readers.set(type, made);
    return made;
  }

  async #makeReader(type: DeviceType): Promise<Ort.InferenceSession> {
    // Only workers of a device need the codec.
    const { identityModel } = await import('./identity.js');
    return this.#ort.InferenceSession.create(identityModel(type), this.#options);
  }
}
