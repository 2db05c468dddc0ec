import { memoryText } from '../base/bytes.js';
import { EnvironmentError, ReparamError } from '../base/errors.js';
import { Graph, GraphBuilder, Model, Tensor, tensorType, type Value } from '../onnx/index.js';
import type { Engine } from './engine.js';
import { bytesOf } from './ort/step-memory.js';

/** What every WebGPU device has: `maxStorageBufferBindingSize` of the specification. */
const GUARANTEED = 128 * 2 ** 20;

/** The value of a graph that takes most bytes. */
export function largestValue({ graph }: Model): { readonly value: string; readonly bytes: number } {
  let [value, bytes] = ['', 0];
  for (const v of graph.values()) if (bytesOf(v) > bytes) [value, bytes] = [v.name, bytesOf(v)];
  return { value, bytes };
}

/**
 * Makes sure that the device can hold the largest value of a graph, by making one of that size. The runtime does not tell
 * the adapter's limits, and says only "Invalid Buffer" when one is exceeded.
 * @throws EnvironmentError naming the value
 */
export async function requireBuffers(engine: Engine, model: Model): Promise<void> {
  if (engine.device !== 'webgpu') return;
  const { value, bytes } = largestValue(model);
  if (bytes <= GUARANTEED) return;
  const session = await engine.session(filled(bytes / Float32Array.BYTES_PER_ELEMENT));
  try {
    await session.run(new Map([['x', Tensor.float32([1], [1])]]));
  } catch (cause) {
    const found = cause instanceof ReparamError ? cause.facts.found : String(cause);
    throw new EnvironmentError({
      problem: `${engine.name}: '${value}' takes ${memoryText(bytes)}, more than the adapter has for one buffer`,
      ...(found !== undefined && { found }),
      hint: 'use a smaller --batch or a smaller image',
      cause,
    });
  } finally {
    await session.release();
  }
}

/** y = x at the first place of a tensor of `elements` copies. */
function filled(elements: number): Model {
  const graph = new Graph('largest buffer');
  const b = new GraphBuilder(graph, 20);
  const x = graph.addInput('x', tensorType('float32', [1]));
  const list = (value: number): Value => b.constant(Tensor.int64([1], [value]));
  const all = b.op('Expand', [x, list(Math.ceil(elements))]);
  graph.addOutput(b.op('Slice', [all, list(0), list(1), list(0)], {}, { outputs: ['y'] }));
  return new Model(graph, 20);
}
