import { Graph, GraphBuilder, Model, Tensor, tensorType } from '../../src/onnx/index.js';
import type { Engine } from '../../src/runtime/index.js';

const RUNS = 10;
const WARMUP = 3;

/** What a step is fed: uint8 [batch, ...image] and int32 [batch]. */
export interface Fed {
  readonly batch: number;
  readonly image: readonly number[];
  readonly images: Uint8Array;
  readonly labels: Int32Array;
}

/**
 * Milliseconds of a run that takes what a step takes (images, labels, a scalar) and gives two scalars: the shortest of
 * several, because nothing but transfers and waiting is in it.
 */
export async function transferTime(engine: Engine, { batch, image, images, labels }: Fed): Promise<number> {
  const dims = [batch, ...image];
  const session = await engine.session(carrier(dims, batch));
  try {
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < WARMUP + RUNS; i++) {
      const start = performance.now();
      await session.run(
        new Map([
          ['image', Tensor.uint8(dims, images)],
          ['label', Tensor.int32([batch], labels)],
          ['lr', Tensor.float32([], [1])],
        ]),
      );
      if (i >= WARMUP) best = Math.min(best, performance.now() - start);
    }
    return best;
  } finally {
    await session.release();
  }
}

function carrier(dims: readonly number[], batch: number): Model {
  const graph = new Graph('transfers');
  const b = new GraphBuilder(graph, 20);
  const image = graph.addInput('image', tensorType('uint8', dims));
  const label = graph.addInput('label', tensorType('int32', [batch]));
  const lr = graph.addInput('lr', tensorType('float32', []));
  const sum = (v: typeof image) => b.op('ReduceSum', [b.op('Cast', [v], { to: 1 })], { keepdims: 0 });
  graph.addOutput(b.op('Mul', [sum(image), lr], {}, { outputs: ['images'] }));
  graph.addOutput(b.op('Mul', [sum(label), lr], {}, { outputs: ['labels'] }));
  return new Model(graph, 20);
}
