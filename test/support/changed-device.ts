import { Tensor } from '../../src/onnx/index.js';
import type { Engine } from '../../src/runtime/index.js';

/** What a device makes of a result. @param nodes of the graph that is run */
export type Change = (name: string, tensor: Tensor, nodes: number) => Tensor;

/** An engine under another device's name, with what it computes changed. @param host asked for when it is needed */
export function changedDevice(host: () => Engine, change: Change): Engine {
  return {
    device: 'webgpu',
    name: 'a device',
    threads: 1,
    stepSession: (m, init) => host().stepSession(m, init),
    close: () => Promise.resolve(),
    session: async (m, o) => {
      const session = await host().session(m, o);
      const nodes = m.graph.nodes.length;
      return {
        inputNames: session.inputNames,
        outputNames: session.outputNames,
        run: async (...args) =>
          new Map(Array.from(await session.run(...args), ([k, t]) => [k, change(k, t, nodes)])),
        release: () => session.release(),
      };
    },
  };
}

export const scaled = (tensor: Tensor, factor: number): Tensor =>
  Tensor.float32(
    tensor.dims,
    Array.from({ length: tensor.size }, (_, i) => Number(tensor.typed()[i]) * factor),
  );
