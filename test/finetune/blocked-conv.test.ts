import { expect, test, vi } from 'vitest';
import { FORMS, formOf } from '../../src/finetune/lowering/blocked/cost.js';
import { takesTurns } from '../../src/finetune/lowering/blocked/images-in-turn.js';
import { depthwise } from '../../src/finetune/lowering/blocked/weight-grad/depthwise.js';
import { groupingOf } from '../../src/finetune/lowering/blocked/weight-grad/grouping.js';
import { byMaps } from '../../src/finetune/lowering/blocked/weight-grad/maps.js';
import {
  byInputRows,
  byJoinedInputRows,
  byJoinedOutputRows,
  byOutputRows,
} from '../../src/finetune/lowering/blocked/weight-grad/pointwise.js';
import type { WeightGradTask } from '../../src/finetune/lowering/blocked/weight-grad/task.js';
import { blockedCheck } from '../support/blocked-engine.js';
import { around, type ConvCase, convCase, paddedCases } from '../support/conv-case.js';

vi.mock('../../src/finetune/lowering/blocked/cost.js', { spy: true });
vi.mock('../../src/finetune/lowering/blocked/weight-grad/depthwise.js', { spy: true });
vi.mock('../../src/finetune/lowering/blocked/weight-grad/grouping.js', { spy: true });
vi.mock('../../src/finetune/lowering/blocked/weight-grad/maps.js', { spy: true });
vi.mock('../../src/finetune/lowering/blocked/weight-grad/pointwise.js', { spy: true });

const check = blockedCheck();

const inner = (cases: readonly ConvCase[]): Promise<void> => check(cases.map((c) => convCase(c)));

const KERNELS = [
  [1, 1],
  [3, 3],
  [5, 5],
  [7, 7],
  [1, 3],
  [3, 1],
] as const;

const STRIDES = [
  [1, 1],
  [2, 2],
  [3, 3],
  [1, 2],
  [3, 2],
] as const;

test('kernels and strides', () =>
  inner(
    KERNELS.flatMap((k) =>
      STRIDES.map((s) => ({ x: [2, 16, 9, 10], o: 16, k, s, p: around(k), bias: true })),
    ),
  ));

test('dilations', () =>
  inner(
    KERNELS.filter((k) => k[0] * k[1] > 1).flatMap((k) => [
      { x: [2, 16, 15, 14], o: 16, k, d: [2, 2], p: around(k) },
      { x: [1, 16, 15, 14], o: 16, k, d: [2, 1] },
      { x: [1, 16, 15, 16], o: 16, k, d: [2, 2], s: [2, 2], p: around(k) },
      { x: [1, 16, 15, 16], o: 16, k, d: [1, 2], s: [2, 1] },
    ]),
  ));

test("TensorFlow's pads, none, and more than the kernel needs", () => inner(paddedCases(16, 16)));

test('sizes, down to one pixel', () =>
  inner(
    [
      [1, 1],
      [1, 7],
      [2, 2],
      [5, 1],
      [13, 4],
      [4, 13],
    ].flatMap((size) => [
      { x: [2, 16, ...size], o: 16, k: [3, 3], p: around([3, 3]) },
      { x: [1, 16, ...size], o: 16, k: [3, 3], p: around([3, 3]), s: [2, 2] },
      { x: [1, 16, ...size], o: 16, k: [1, 1], s: [2, 2] },
      { x: [1, 16, ...size], o: 16, k: [5, 5], p: around([5, 5]) },
    ]),
  ));

const CHANNELS = [1, 3, 4, 6, 8, 16, 17, 24, 32, 40] as const;

test('channel counts on and off the block', () =>
  inner(
    CHANNELS.flatMap((c, i) => {
      const o = CHANNELS[(i * 3 + 2) % CHANNELS.length];
      return [
        { x: [2, c, 5, 6], o, k: [3, 3], p: around([3, 3]), bias: true },
        { x: [2, c, 5, 6], o, k: [1, 1] },
        { x: [1, c, 6, 5], o, k: [3, 3], p: [0, 0, 1, 1], s: [2, 2] },
        { x: [1, c, 11, 10], o, k: [1, 1] },
      ];
    }),
  ));

test('first convolutions', async () => {
  const stems = [1, 2, 3, 4, 7, 12, 15].flatMap((c, i) =>
    [3, 5, 7, 11].flatMap((k, j) => {
      const s = [1, 2, 4][(i + j) % 3];
      const [h, w] = [k + 3 + (i % 3), k + 6];
      const o = [16, 24, 6][(i + 2 * j) % 3];
      // 11×11 on many channels is slow in the interpreter.
      if (k > 5 && c > 4) return [];
      return [
        { x: [2, c, h, w], o, k: [k, k], s: [s, s], p: around([k, k]) },
        { x: [1, c, h, w], o: 16, k: [k, k], s: [s, s] },
      ];
    }),
  );
  await check(stems.map((c) => convCase(c, true)));
});

test("first convolutions with TensorFlow's pads, unlike axes and wide inputs", async () => {
  const stems: ConvCase[] = [
    { x: [2, 3, 16, 16], o: 16, k: [3, 3], s: [2, 2], p: [0, 0, 1, 1] },
    { x: [2, 3, 15, 16], o: 16, k: [3, 3], s: [2, 2], p: [1, 1, 1, 1], bias: true },
    { x: [1, 3, 17, 16], o: 16, k: [7, 7], s: [2, 2], p: [2, 2, 3, 3] },
    { x: [1, 3, 12, 16], o: 16, k: [3, 5], s: [1, 2], p: [1, 2, 1, 2] },
    { x: [1, 3, 12, 16], o: 16, k: [5, 3], s: [4, 1] },
    { x: [1, 3, 12, 16], o: 16, k: [3, 3], d: [2, 2], p: [2, 2, 2, 2] },
    { x: [1, 3, 12, 16], o: 16, k: [1, 1] },
    { x: [1, 3, 12, 16], o: 16, k: [1, 1], s: [2, 2] },
    { x: [1, 3, 12, 16], o: 16, k: [2, 2], s: [2, 2] },
    { x: [1, 3, 12, 12], o: 32, k: [4, 4], s: [4, 4] },
    { x: [1, 3, 9, 9], o: 16, k: [3, 3], p: [3, 3, 3, 3] },
    { x: [1, 3, 9, 9], o: 16, k: [3, 3], s: [2, 2], p: [3, 2, 4, 5] },
    { x: [1, 3, 14, 14], o: 16, k: [3, 3], s: [5, 5] },
    { x: [1, 3, 5, 5], o: 4, k: [5, 5] },
    { x: [1, 16, 8, 8], o: 16, k: [3, 3], p: [1, 1, 1, 1] },
    { x: [1, 19, 8, 8], o: 16, k: [3, 3], s: [2, 2], p: [1, 1, 1, 1] },
    { x: [2, 20, 8, 8], o: 20, k: [3, 3], p: [1, 1, 1, 1], g: 20 },
    { x: [2, 3, 8, 8], o: 3, k: [3, 3], p: [1, 1, 1, 1], g: 3 },
  ];
  await check(stems.map((c) => convCase(c, true)));
});

test('depthwise', () =>
  inner([
    // Every window lies in the padding.
    { x: [2, 16, 1, 1], o: 16, g: 16, k: [1, 1], s: [1, 2], p: [0, 1, 0, 0] },
    { x: [2, 3, 2, 1], o: 3, g: 3, k: [3, 3], s: [1, 3], p: [1, 3, 1, 0] },
    ...KERNELS.flatMap((k) =>
      STRIDES.map((s, i) => {
        const c = CHANNELS[(i + k[0]) % CHANNELS.length];
        return { x: [2, c, 10, 9], o: c, g: c, k, s, p: around(k), bias: i === 0 };
      }),
    ),
    ...[3, 16, 24].flatMap((c) =>
      [
        [0, 0, 1, 1],
        [0, 0, 0, 0],
        [3, 3, 3, 3],
        [1, 0, 2, 1],
      ].flatMap((p) => [
        { x: [2, c, 8, 8], o: c, g: c, k: [3, 3], p },
        { x: [2, c, 8, 7], o: c, g: c, k: [3, 3], p, s: [2, 2] },
        { x: [1, c, 9, 8], o: c, g: c, k: [3, 3], p, d: [2, 2] },
        { x: [1, c, 9, 8], o: c, g: c, k: [3, 3], p, s: [2, 2], d: [2, 2] },
        { x: [1, c, 11, 11], o: c, g: c, k: [2, 2], p, s: [3, 3] },
      ]),
    ),
  ]));

test('grouped, with a depthwise multiplier, and 1-D', () =>
  inner([
    { x: [2, 8, 7, 6], o: 16, g: 8, k: [3, 3], p: around([3, 3]), bias: true },
    { x: [2, 16, 7, 6], o: 32, g: 16, k: [3, 3], p: around([3, 3]), s: [2, 2] },
    { x: [2, 32, 7, 6], o: 32, g: 2, k: [3, 3], p: around([3, 3]) },
    { x: [2, 64, 6, 6], o: 32, g: 2, k: [3, 3], p: around([3, 3]), s: [2, 2] },
    { x: [2, 32, 6, 6], o: 64, g: 4, k: [1, 1] },
    { x: [2, 12, 6, 6], o: 18, g: 3, k: [3, 3], p: around([3, 3]) },
    { x: [2, 12, 6, 6], o: 18, g: 3, k: [3, 3], p: [0, 0, 1, 1], s: [2, 2] },
    { x: [2, 16, 12], o: 16, k: [3], p: [1, 1] },
    { x: [2, 6, 12], o: 24, k: [5], s: [2], p: [2, 2], bias: true },
    { x: [2, 16, 12], o: 16, g: 16, k: [3], p: [1, 1] },
    { x: [1, 4, 5, 5, 5], o: 8, k: [3, 3, 3], p: [1, 1, 1, 1, 1, 1] },
  ]));

const WINDOWS: readonly ConvCase[] = [
  { x: [2, 16, 16, 15], o: 16, k: [3, 3], p: around([3, 3]) },
  { x: [2, 40, 16, 15], o: 16, k: [3, 3], p: around([3, 3]) },
  { x: [1, 40, 17, 16], o: 40, k: [3, 3], d: [2, 1], p: [0, 1, 3, 0] },
  { x: [2, 64, 7, 6], o: 16, k: [3, 3], p: around([3, 3]) },
  { x: [1, 16, 7, 6], o: 256, k: [3, 3], p: around([3, 3]) },
  { x: [2, 24, 7, 6], o: 24, k: [1, 5], p: around([1, 5]) },
  { x: [2, 24, 5, 5], o: 24, k: [1, 1], p: [1, 1, 1, 1] },
  { x: [2, 16, 8, 9], o: 40, k: [3, 3], s: [2, 2], p: [0, 0, 1, 1] },
  { x: [1, 40, 8, 9], o: 16, k: [2, 3], s: [3, 1], d: [1, 2] },
  { x: [2, 16, 57, 20], o: 24, k: [3, 3], s: [2, 2], p: around([3, 3]) },
  // Taps that read nothing but padding, and rows and columns that no window reads.
  { x: [1, 40, 3, 4], o: 24, k: [3, 3], d: [4, 5], p: [4, 5, 4, 5] },
  { x: [2, 16, 3, 3], o: 16, k: [3, 3], p: [3, 3, 3, 3] },
  { x: [1, 24, 9, 10], o: 16, k: [2, 2], s: [3, 4] },
  { x: [1, 40, 7, 32], o: 16, k: [5, 3], d: [1, 2], p: [2, 1, 0, 3] },
  { x: [2, 16, 6, 32], o: 24, k: [2, 5], d: [2, 1] },
  { x: [2, 24, 5, 12], o: 64, k: [3, 5], d: [1, 2], p: [1, 3, 2, 1], s: [1, 2] },
  { x: [1, 16, 4, 20], o: 66, k: [2, 4], p: [0, 5, 1, 0] },
  { x: [2, 24, 8, 8], o: 40, k: [3, 3], s: [2, 2], p: around([3, 3]) },
];

test('dW by maps is right', async () => {
  const by = vi.mocked(byMaps).mockClear();
  await inner(WINDOWS);
  expect(by.mock.calls.length).toBeGreaterThanOrEqual(WINDOWS.length);
});

test('dW by maps is right however images are put into groups, and rows into bands', async () => {
  const cases: readonly ConvCase[] = [
    { x: [8, 24, 6, 7], o: 40, k: [3, 3], p: around([3, 3]) },
    { x: [8, 16, 12, 9], o: 24, k: [3, 2], s: [2, 3], p: [1, 0, 1, 1] },
    { x: [8, 40, 8, 5], o: 16, k: [3, 3], d: [2, 1], p: [2, 1, 2, 1] },
  ];
  const first: readonly ConvCase[] = [
    { x: [8, 3, 12, 13], o: 24, k: [3, 3], s: [2, 2], p: around([3, 3]) },
    { x: [8, 5, 6, 7], o: 16, k: [3, 3], p: [1, 2, 1, 0] },
  ];
  const groupings = [
    { images: 1, bands: 1 },
    { images: 2, bands: 1 },
    { images: 4, bands: 1 },
    { images: 1, bands: 2 },
    { images: 2, bands: 2 },
  ];
  const of = vi.mocked(groupingOf);
  for (const grouping of groupings) {
    of.mockClear().mockReturnValue(grouping);
    await inner(cases)
      .then(() => check(first.map((c) => convCase(c, true))))
      .finally(() => of.mockReset());
  }
});

test('more images than the runtime takes channels, and no multiple of a block', async () => {
  const counts = [9, 17, 20, 31];
  await inner(
    counts.flatMap((images) => [
      { x: [images, 16, 3, 3], o: 16, k: [3, 3], p: around([3, 3]) },
      { x: [images, 48, 3, 3], o: 32, k: [3, 3], p: around([3, 3]) },
      { x: [images, 16, 8, 9], o: 16, k: [2, 1] },
    ]),
  );
  const stems = counts.map((images): ConvCase => ({ x: [images, 3, 9, 8], o: 16, k: [3, 3], s: [2, 2] }));
  await check(stems.map((c) => convCase(c, true)));
});

test('large kernels on small maps take the images in turn, and are right', async () => {
  const large: readonly ConvCase[] = [
    { x: [3, 256, 3, 2], o: 240, k: [3, 3], p: around([3, 3]), bias: true },
    { x: [2, 250, 4, 3], o: 256, k: [3, 3], p: [2, 1, 0, 3], s: [2, 1] },
    { x: [2, 256, 3, 5], o: 256, k: [3, 3], p: [1, 2, 1, 2], d: [1, 2] },
    { x: [3, 256, 4, 4], o: 256, k: [3, 3] },
  ];
  for (const { x, o, k, s } of large)
    expect(
      takesTurns([x[0], 256, x[2], x[3]], [x[0], o, 2, 2], { kernel: k, ...(s && { strides: s }) }),
    ).toBe(true);
  await inner(large);
});

test('which convolutions take the images in turn', () => {
  const of = (images: number, [inputs, outputs]: number[], size: number, kernel = [3, 3]): boolean =>
    takesTurns([images, inputs, size, size], [images, outputs, size, size], { kernel });
  expect(of(16, [512, 512], 7)).toBe(true);
  expect(of(16, [256, 256], 7)).toBe(true);
  expect(of(16, [512, 512], 14)).toBe(true);
  expect(of(16, [384, 384], 13)).toBe(true);
  expect(of(16, [256, 256], 14)).toBe(false);
  expect(of(16, [512, 512], 28)).toBe(false);
  expect(of(16, [128, 128], 7)).toBe(false);
  expect(of(1, [512, 512], 7)).toBe(false);
  expect(of(16, [1024, 1024], 7, [1, 1])).toBe(false);
  const strides = { kernel: [3, 3], strides: [2, 2] };
  expect(takesTurns([16, 256, 14, 14], [16, 512, 7, 7], strides)).toBe(false);
});

test('images are put together where kernels are larger than maps, and large maps are cut into bands', () => {
  const of = (images: number, [inputs, outputs]: number[], out: number, kernel = 3): unknown => {
    const axis = { size: out, out, kernel, stride: 1, dilation: 1, begin: kernel >> 1, end: kernel >> 1 };
    const { images: together, bands } = groupingOf({ images, inputs, outputs, axes: [axis, axis] }, 16);
    return [together, bands];
  };
  expect(of(16, [64, 64], 56)).toEqual([1, 1]);
  expect(of(16, [128, 128], 28)).toEqual([1, 1]);
  expect(of(16, [256, 256], 14)).toEqual([8, 1]);
  expect(of(16, [512, 512], 7)).toEqual([8, 1]);
  expect(of(128, [64, 64], 8)).toEqual([8, 1]);
  expect(of(12, [64, 64], 8)).toEqual([12, 1]);
  // ResNet's stem: 3.1 MiB of 64 maps.
  expect(of(16, [3, 64], 112, 7)).toEqual([1, 4]);
  expect(of(8, [3, 64], 112, 7)).toEqual([1, 4]);
  // 24·4 are whole blocks, 7·4 are none.
  expect(of(24, [3, 64], 112, 7)).toEqual([1, 4]);
  expect(of(7, [3, 64], 112, 7)).toEqual([1, 1]);
  expect(of(16, [3, 64], 113, 7)).toEqual([1, 1]);
});

test.each(FORMS)('dW of 1×1 kernels by %s is right', async (form) => {
  const forms = {
    maps: byMaps,
    'input rows': byInputRows,
    'output rows': byOutputRows,
    'joined input rows': byJoinedInputRows,
    'joined output rows': byJoinedOutputRows,
  };
  const by = vi.mocked(forms[form]).mockClear();
  vi.mocked(formOf).mockReturnValue(form);
  const cases = [
    { x: [3, 24, 6, 5], o: 40, k: [1, 1] },
    { x: [3, 24, 9, 10], o: 40, k: [1, 1], s: [2, 2] },
    { x: [2, 24, 12, 11], o: 40, k: [1, 1] },
    { x: [2, 24, 21, 22], o: 40, k: [1, 1], s: [2, 2] },
    { x: [2, 72, 12, 11], o: 24, k: [1, 1] },
    { x: [2, 16, 1, 1], o: 72, k: [1, 1] },
    { x: [1, 24, 4, 4], o: 40, k: [1, 1] },
    { x: [2, 40, 12, 8], o: 16, k: [1, 1] },
    { x: [2, 40, 4, 6], o: 24, k: [1, 1] },
    { x: [3, 24, 8, 16], o: 24, k: [1, 1], s: [2, 2] },
  ];
  await inner(cases).finally(() => vi.mocked(formOf).mockReset());
  expect(by.mock.calls.length).toBeGreaterThanOrEqual(cases.length);
});

test('the other formulations of dW are reached, and right', async () => {
  const reach: readonly (readonly [string, ConvCase, boolean?])[] = [
    ['maps of a stem', { x: [2, 3, 15, 18], o: 24, k: [3, 3], s: [2, 2], p: around([3, 3]) }, true],
    ['maps of a stem', { x: [2, 5, 15, 18], o: 24, k: [5, 5], p: around([5, 5]) }, true],
    ['depthwise', { x: [2, 24, 9, 8], o: 24, g: 24, k: [3, 3], p: around([3, 3]) }],
    ['depthwise cut', { x: [2, 24, 10, 10], o: 24, g: 24, k: [3, 3], s: [3, 3] }],
  ];
  const spied = { depthwise, maps: byMaps };
  for (const spy of Object.values(spied)) vi.mocked(spy).mockClear();
  await check(reach.map(([, c, first]) => convCase(c, first)));
  const reached = new Set<string>();
  for (const [name, spy] of Object.entries(spied))
    for (const [task] of vi.mocked(spy).mock.calls) reached.add(name).add(branchOf(name, task));
  expect([...new Set(reach.map(([name]) => name))].filter((name) => !reached.has(name))).toEqual([]);
});

function branchOf(name: string, { axes, kind }: WeightGradTask): string {
  if (kind === 'stem') return `${name} of a stem`;
  const cut = axes.some((a) => a.end < (a.size + a.begin + a.end - a.kernel) % a.stride);
  return name === 'depthwise' && cut ? 'depthwise cut' : name;
}
