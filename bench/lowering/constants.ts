import { type Costs, FEW_ROWS } from '../../src/finetune/lowering/blocked/cost.js';
import { linesOf, tapLines } from '../../src/finetune/lowering/blocked/weight-grad/dense.js';
import { sizeOf, Tensor } from '../../src/onnx/index.js';
import { type Bench, type Emit, timeInTurn } from './timing.js';

/** How one constant of the cost model is measured. */
interface Probe {
  readonly unit: 'ns/element' | 'GFLOP/s';
  /** Of the tensors that are read. */
  readonly inputs: readonly (readonly number[])[];
  /** Elements, or floating-point operations. */
  readonly amount: number;
  readonly emit: Emit;
}

const IMAGES = 16;

export const CONSTANTS: readonly (keyof Costs)[] = [
  'pass',
  'reduction',
  'copy',
  'gatherRuns',
  'reorder',
  'convOneBlock',
  'conv',
  'pixelProduct',
  'gemmPerImage',
  'gemmFewRows',
];

/** One work for each constant, as large as layers of the usual networks. @param block B */
export function probes(block: number): { readonly [name in keyof Costs]: Probe } {
  const map = [IMAGES, 64, 112, 112];
  const each = (emit: Emit): Probe => ({ unit: 'ns/element', inputs: [map], amount: sizeOf(map), emit });
  const axis = { size: 56, out: 56, kernel: 3, stride: 1, dilation: 1, begin: 1, end: 1 };
  const windows = { inputs: 64, axes: [axis, axis] };
  const order = tapLines(windows);
  const gathered = IMAGES * 64 * 9 * 56 * 56;
  const convolution = (outputs: number): Probe => ({
    unit: 'GFLOP/s',
    inputs: [
      [IMAGES, 64, 56, 56],
      [outputs, 64, 3, 3],
    ],
    amount: 2 * gathered * outputs,
    emit: (n, _, [x, w]) => n.conv(x, w, [IMAGES, outputs, 56, 56], { kernel: [3, 3], pads: [1, 1, 1, 1] }),
  });
  const product = (a: readonly number[], b: readonly number[], products: number): Probe => ({
    unit: 'GFLOP/s',
    inputs: [a, b],
    amount: 2 * products,
    emit: (n, _, [p, q]) => n.b.op('MatMul', [p, q]),
  });
  const panels = 256 / block;
  return {
    pass: each((n, _, [x]) => n.affine(x, map)),
    reduction: each((n, _, [x]) => n.channelSum(x, map)),
    copy: each((n, _, [x]) =>
      n.b.op('Transpose', [n.reshape(x, [IMAGES, 64, 112 * 112])], { perm: [1, 0, 2] }),
    ),
    gatherRuns: {
      unit: 'ns/element',
      inputs: [[IMAGES, 64 / block, linesOf(windows), block]],
      amount: gathered,
      emit: (n, _, [x]) =>
        n.b.op('Gather', [x, n.b.constant(Tensor.int32([order.length], order))], { axis: 2 }),
    },
    reorder: each((n, _, [x]) => n.op('ReorderOutput', [x], map, { channels: 64 })),
    convOneBlock: convolution(block),
    conv: convolution(64),
    pixelProduct: {
      unit: 'GFLOP/s',
      inputs: [
        [1, IMAGES * 784, 256, 1],
        [IMAGES * 256, 784, 1, 1],
      ],
      amount: 2 * IMAGES * 256 * 784 * 256,
      emit: (n, _, [x, w]) => n.conv(x, w, [1, IMAGES * 256, 256, 1], { kernel: [1, 1], group: IMAGES }),
    },
    gemmPerImage: product([IMAGES, 1, 256, 784], [IMAGES, panels, 784, block], IMAGES * 256 * 784 * 256),
    gemmFewRows: product(
      [IMAGES, 1, FEW_ROWS, 3136],
      [IMAGES, panels, 3136, block],
      IMAGES * FEW_ROWS * 3136 * 256,
    ),
  };
}

/** The constant as this machine has it. */
export async function measureConstant(bench: Bench, name: keyof Costs): Promise<number> {
  const { unit, inputs, amount, emit } = probes(bench.block)[name];
  const [milliseconds] = await timeInTurn(bench, inputs, [emit]);
  const nanoseconds = milliseconds * 1e6;
  return unit === 'ns/element' ? nanoseconds / amount : amount / nanoseconds;
}
