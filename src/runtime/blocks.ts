import { Graph, GraphBuilder, Model, Tensor, tensorType, type Value } from '../onnx/index.js';
import type { Engine } from './engine.js';

/** The runtime's own operators on tensors in blocks of channels (CPU provider; not part of ONNX). */
const DOMAIN = 'com.microsoft.nchwc';

const known = new WeakMap<Engine, Promise<number | undefined>>();

/**
 * How many channels the engine's blocked kernels put into a block: 16 with AVX-512, 8 with AVX and on arm64; undefined
 * where it has none, or they do not compute what they should. Asked once per engine, by running them.
 */
export function channelBlock(engine: Engine): Promise<number | undefined> {
  const answer = known.get(engine) ?? probe(engine);
  known.set(engine, answer);
  return answer;
}

async function probe(engine: Engine): Promise<number | undefined> {
  if (engine.device !== 'cpu') return undefined;
  try {
    const block = await blockOf(engine);
    return block !== undefined && (await computes(engine, block)) ? block : undefined;
  } catch {
    return undefined;
  }
}

/** A reorder rounds the channels up to one block. */
async function blockOf(engine: Engine): Promise<number | undefined> {
  const { b, model } = start();
  const x = b.graph.addInput('x', tensorType('float32', [1, 4, 1, 1]));
  b.graph.addOutput(blocked(b, 'ReorderInput', [x], [1, 'c', 1, 1]));
  const out = await runOnce(engine, model, Tensor.float32([1, 4, 1, 1], [1, 2, 3, 4]));
  const block = out?.dims[1];
  return block !== undefined && block > 1 && block % 4 === 0 && block <= 64 ? block : undefined;
}

/** One 3×3 convolution on a block, whose kernel is 1 where the input and output channel are the same. */
async function computes(engine: Engine, block: number): Promise<boolean> {
  const { b, model } = start();
  const dims = [1, block, 4, 4];
  const x = b.graph.addInput('x', tensorType('float32', dims));
  const kernel = new Float32Array(block * block * 9);
  for (let t = 0; t < 9; t++) for (let c = 0; c < block; c++) kernel[(t * block + c) * block + c] = 1;
  const w = b.f32(kernel, [block, block, 3, 3]);
  const y = blocked(b, 'Conv', [blocked(b, 'ReorderInput', [x], dims), w], dims, {
    kernel_shape: [3, 3],
    pads: [1, 1, 1, 1],
  });
  b.graph.addOutput(blocked(b, 'ReorderOutput', [y], dims, { channels: block }));
  const data = Float32Array.from({ length: block * 16 }, (_, i) => (i * 7) % 11);
  const out = await runOnce(engine, model, Tensor.float32(dims, data));
  const got = out?.typed();
  if (!(got instanceof Float32Array) || got.length !== data.length) return false;
  return got.every((v, i) => v === boxSum(data, i));
}

/** The sum of the 3×3 neighbourhood in a 4×4 map, zeros around. */
function boxSum(data: Float32Array, at: number): number {
  const [map, y, x] = [at - (at % 16), (at % 16) >> 2, at % 4];
  let sum = 0;
  for (let i = Math.max(0, y - 1); i <= Math.min(3, y + 1); i++)
    for (let j = Math.max(0, x - 1); j <= Math.min(3, x + 1); j++) sum += data[map + i * 4 + j];
  return sum;
}

function start(): { b: GraphBuilder; model: Model } {
  const model = new Model(new Graph('blocks'), 17, 8);
  model.opsets.set(DOMAIN, 1);
  return { b: new GraphBuilder(model.graph, 17), model };
}

function blocked(
  b: GraphBuilder,
  op: string,
  inputs: readonly Value[],
  dims: readonly (number | string)[],
  attributes: Parameters<GraphBuilder['op']>[2] = {},
): Value {
  const y = b.op(op, inputs, attributes, { domain: DOMAIN });
  y.type = tensorType('float32', dims);
  return y;
}

async function runOnce(engine: Engine, model: Model, x: Tensor): Promise<Tensor | undefined> {
  const session = await engine.session(model);
  try {
    const out = await session.run(new Map([['x', x]]));
    return [...out.values()][0];
  } finally {
    await session.release();
  }
}
