import { float16ToNumber, numberToFloat16 } from '../../src/base/half.js';
import { randomFor } from '../../src/base/random.js';
import {
  type AttributeInit,
  Graph,
  GraphBuilder,
  Model,
  sizeOf,
  Tensor,
  tensorType,
} from '../../src/onnx/index.js';
import type { Engine } from '../../src/runtime/index.js';
import { evaluate } from '../../src/runtime/reference/index.js';

/** An operator whose results are sums of products. */
export interface Product {
  readonly name: string;
  readonly op: 'MatMul' | 'Gemm' | 'Conv' | 'ConvTranspose';
  readonly dims: readonly [readonly number[], readonly number[]];
  readonly attributes?: Readonly<Record<string, AttributeInit>>;
  /** Products that are added up to a result. */
  readonly terms: number;
}

const matmul = (terms: number): Product => ({
  name: 'MatMul',
  op: 'MatMul',
  dims: [
    [32, terms],
    [terms, 32],
  ],
  terms,
});

const conv = (channels: number, kernel: number): Product => ({
  name: `Conv ${kernel}×${kernel}, ${channels} channels`,
  op: 'Conv',
  dims: [
    [1, channels, kernel + 3, kernel + 3],
    [32, channels, kernel, kernel],
  ],
  terms: channels * kernel * kernel,
});

/** Sums as long as the layers of the usual networks have them, and those of their kernels' gradients for one image. */
export const PRODUCTS: readonly Product[] = [
  matmul(64),
  matmul(576),
  matmul(4608),
  matmul(12544),
  {
    name: 'Gemm, second factor transposed',
    op: 'Gemm',
    dims: [
      [32, 4608],
      [32, 4608],
    ],
    attributes: { transB: 1 },
    terms: 4608,
  },
  conv(64, 1),
  conv(2048, 1),
  conv(64, 3),
  conv(512, 3),
  {
    name: 'ConvTranspose 1×1, 4608 channels',
    op: 'ConvTranspose',
    dims: [
      [1, 4608, 4, 4],
      [4608, 8, 1, 1],
    ],
    terms: 4608,
  },
];

export interface Exactness {
  readonly product: Product;
  /** What comes of as many products of ones as there are terms. */
  readonly ones: number;
  /** RMS of the error over RMS of the result, for normal operands, which are float16 themselves. */
  readonly error: number;
  /** The same, of the exact results rounded to float16: what is left where sums are kept in float32 or better. */
  readonly rounding: number;
}

/** @throws EnvironmentError when the device has no float16 */
export async function exactnessOf(engine: Engine, product: Product): Promise<Exactness> {
  const model = modelOf(product);
  const session = await engine.session(model);
  try {
    const run = async (values: readonly Float64Array[]): Promise<number[]> => {
      const feeds = values.map((v, i): [string, Tensor] => [NAMES[i], inFloat16(product.dims[i], v)]);
      const out = (await session.run(new Map(feeds))).get(model.graph.outputs[0].name);
      return Array.from<number | bigint, number>(out?.typed() ?? [], (bits) => float16ToNumber(Number(bits)));
    };
    const [ones] = await run(product.dims.map((d) => new Float64Array(sizeOf(d)).fill(1)));
    const random = randomFor('float16', product.name, `${product.terms}`);
    // Results around 1, far from the largest float16.
    const scale = product.terms ** -0.25;
    const operands = product.dims.map((d) =>
      Float64Array.from({ length: sizeOf(d) }, () =>
        float16ToNumber(numberToFloat16(random.normal() * scale)),
      ),
    );
    const exact = inFloat64(model, product, operands);
    const rounded = exact.map((v) => float16ToNumber(numberToFloat16(v)));
    return {
      product,
      ones,
      error: relative(await run(operands), exact),
      rounding: relative(rounded, exact),
    };
  } finally {
    await session.release();
  }
}

const NAMES = ['a', 'b'] as const;

function modelOf({ op, dims, attributes }: Product): Model {
  const graph = new Graph('product');
  const inputs = dims.map((d, i) => graph.addInput(NAMES[i], tensorType('float16', d)));
  graph.addOutput(new GraphBuilder(graph, 20).op(op, inputs, attributes));
  return new Model(graph, 20);
}

function inFloat16(dims: readonly number[], values: Float64Array): Tensor {
  const words = Uint16Array.from(values, numberToFloat16);
  return Tensor.raw('float16', dims, new Uint8Array(words.buffer));
}

function inFloat64(model: Model, { dims }: Product, operands: readonly Float64Array[]): number[] {
  const feeds = operands.map((data, i) => [NAMES[i], { dataType: 'float64', dims: dims[i], data }] as const);
  const [out] = evaluate(model, new Map(feeds)).values();
  return Array.from<number | bigint, number>(out.data, Number);
}

function relative(got: readonly number[], exact: readonly number[]): number {
  const squares = (list: readonly number[]): number => list.reduce((sum, v) => sum + v * v, 0);
  return Math.sqrt(squares(exact.map((v, i) => got[i] - v)) / squares(exact));
}
