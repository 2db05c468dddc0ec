import type { Costs } from '../../src/finetune/lowering/blocked/cost.js';
import { sizeOf } from '../../src/onnx/index.js';
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
  'reorder',
  'convOneBlock',
  'conv',
  'pixelProduct',
  'mapProductOneBlock',
  'mapProduct',
];

/** One work for each constant, as large as layers of the usual networks. @param block B */
export function probes(block: number): { readonly [name in keyof Costs]: Probe } {
  const map = [IMAGES, 64, 112, 112];
  const each = (emit: Emit): Probe => ({ unit: 'ns/element', inputs: [map], amount: sizeOf(map), emit });
  const windows = IMAGES * 64 * 9 * 56 * 56;
  const convolution = (outputs: number): Probe => ({
    unit: 'GFLOP/s',
    inputs: [
      [IMAGES, 64, 56, 56],
      [outputs, 64, 3, 3],
    ],
    amount: 2 * windows * outputs,
    emit: (n, _, [x, w]) => n.conv(x, w, [IMAGES, outputs, 56, 56], { kernel: [3, 3], pads: [1, 1, 1, 1] }),
  });
  // As for 64 input channels and a 3×3 kernel.
  const lines = 64 / block;
  const maps = (outputs: number): Probe => ({
    unit: 'GFLOP/s',
    inputs: [
      [1, IMAGES, 56 * lines, 58 * block],
      [IMAGES * outputs, 1, 56, 56],
    ],
    amount: 2 * windows * outputs,
    emit: (n, _, [x, dy]) =>
      n.conv(x, dy, [1, IMAGES * outputs, 3 * lines, 3 * block], {
        kernel: [56, 56],
        dilations: [lines, block],
        pads: [lines, 0, lines, 0],
        group: IMAGES,
      }),
  });
  return {
    pass: each((n, _, [x]) => n.affine(x, map)),
    reduction: each((n, _, [x]) => n.channelSum(x, map)),
    copy: each((n, _, [x]) =>
      n.b.op('Transpose', [n.reshape(x, [IMAGES, 64, 112 * 112])], { perm: [1, 0, 2] }),
    ),
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
    mapProductOneBlock: maps(block),
    mapProduct: maps(64),
  };
}

/** The constant as this machine has it. */
export async function measureConstant(bench: Bench, name: keyof Costs): Promise<number> {
  const { unit, inputs, amount, emit } = probes(bench.block)[name];
  const [milliseconds] = await timeInTurn(bench, inputs, [emit]);
  const nanoseconds = milliseconds * 1e6;
  return unit === 'ns/element' ? nanoseconds / amount : amount / nanoseconds;
}
