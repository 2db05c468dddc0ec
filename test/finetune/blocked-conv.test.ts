import { expect, test, vi } from 'vitest';
import {
  POINTWISE_FORMS,
  pointwiseForm,
  WINDOW_FORMS,
  windowForm,
} from '../../src/finetune/lowering/blocked/cost.js';
import { byJoinedTaps, byShifts, byTaps } from '../../src/finetune/lowering/blocked/weight-grad/dense.js';
import { depthwise } from '../../src/finetune/lowering/blocked/weight-grad/depthwise.js';
import {
  byInputRows,
  byJoinedInputRows,
  byJoinedOutputRows,
  byOutputRows,
} from '../../src/finetune/lowering/blocked/weight-grad/pointwise.js';
import { byRows } from '../../src/finetune/lowering/blocked/weight-grad/rows.js';
import { stem } from '../../src/finetune/lowering/blocked/weight-grad/stem.js';
import type { WeightGradTask } from '../../src/finetune/lowering/blocked/weight-grad/task.js';
import { blockedCheck } from '../support/blocked-engine.js';
import { type ConvCase, convCase } from '../support/conv-case.js';

vi.mock('../../src/finetune/lowering/blocked/cost.js', { spy: true });
vi.mock('../../src/finetune/lowering/blocked/weight-grad/dense.js', { spy: true });
vi.mock('../../src/finetune/lowering/blocked/weight-grad/depthwise.js', { spy: true });
vi.mock('../../src/finetune/lowering/blocked/weight-grad/pointwise.js', { spy: true });
vi.mock('../../src/finetune/lowering/blocked/weight-grad/rows.js', { spy: true });
vi.mock('../../src/finetune/lowering/blocked/weight-grad/stem.js', { spy: true });

const check = blockedCheck();

const inner = (cases: readonly ConvCase[]): Promise<void> => check(cases.map((c) => convCase(c)));
const around = (k: readonly number[]): number[] => [...k, ...k].map((n) => n >> 1);

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

test("TensorFlow's pads, none, and more than the kernel needs", () =>
  inner(
    [
      [0, 0, 1, 1],
      [1, 0, 0, 1],
      [0, 1, 2, 0],
      [0, 0, 0, 0],
      [3, 3, 3, 3],
      [2, 4, 5, 3],
    ].flatMap((p) =>
      [
        [3, 3],
        [1, 1],
        [2, 2],
      ].flatMap((k) => [
        { x: [2, 16, 8, 8], o: 16, k, p },
        { x: [2, 16, 8, 7], o: 16, k, p, s: [2, 2] },
        { x: [1, 16, 7, 8], o: 16, k, p, s: [3, 3] },
      ]),
    ),
  ));

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
  // Pixels that fill blocks of 8 and of 16, those of two images only, and none; rows that do, or are filled up.
  { x: [1, 40, 8, 8], o: 24, k: [3, 3], p: around([3, 3]) },
  { x: [2, 40, 6, 4], o: 24, k: [3, 3], p: around([3, 3]) },
  { x: [1, 40, 13, 16], o: 40, k: [3, 3], p: around([3, 3]) },
  { x: [2, 40, 13, 4], o: 16, k: [3, 3], p: around([3, 3]) },
  { x: [3, 40, 5, 5], o: 24, k: [3, 3], p: around([3, 3]) },
  { x: [2, 24, 5, 16], o: 40, k: [3, 3], p: around([3, 3]) },
  { x: [1, 40, 7, 32], o: 16, k: [5, 3], d: [1, 2], p: [2, 1, 0, 3] },
  { x: [2, 16, 6, 32], o: 24, k: [2, 5], d: [2, 1] },
  { x: [2, 40, 5, 12], o: 24, k: [3, 3], p: around([3, 3]) },
  { x: [2, 16, 6, 16], o: 72, k: [3, 3], p: around([3, 3]) },
  { x: [2, 24, 5, 12], o: 64, k: [3, 5], d: [1, 2], p: [1, 3, 2, 1] },
  { x: [1, 16, 4, 20], o: 66, k: [2, 4], p: [0, 5, 1, 0] },
  { x: [1, 24, 7, 20], o: 40, k: [3, 5], d: [2, 1], p: [1, 0, 3, 2] },
  { x: [2, 24, 8, 8], o: 40, k: [3, 3], s: [2, 2], p: around([3, 3]) },
];

test.each(WINDOW_FORMS)('dW by %s is right wherever it can be taken', async (form) => {
  const by = vi
    .mocked({ shifts: byShifts, rows: byRows, taps: byTaps, 'joined taps': byJoinedTaps }[form])
    .mockClear();
  vi.mocked(windowForm).mockReturnValue(form);
  const allowed = ({ s, x }: ConvCase): boolean => {
    if (form === 'rows') return s === undefined && x[3] % 4 === 0;
    return form !== 'shifts' || s === undefined;
  };
  const cases = WINDOWS.filter(allowed);
  await inner(cases).finally(() => vi.mocked(windowForm).mockReset());
  expect(by.mock.calls.length).toBeGreaterThanOrEqual(cases.length);
});

test.each(POINTWISE_FORMS)('dW of 1×1 kernels by %s is right', async (form) => {
  const forms = {
    'input rows': byInputRows,
    'output rows': byOutputRows,
    'joined input rows': byJoinedInputRows,
    'joined output rows': byJoinedOutputRows,
  };
  const by = vi.mocked(forms[form]).mockClear();
  vi.mocked(pointwiseForm).mockReturnValue(form);
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
  await inner(cases).finally(() => vi.mocked(pointwiseForm).mockReset());
  expect(by.mock.calls.length).toBeGreaterThanOrEqual(cases.length);
});

test('the other formulations of dW are reached, and right', async () => {
  const reach: readonly (readonly [string, ConvCase, boolean?])[] = [
    ['stem', { x: [2, 3, 15, 18], o: 24, k: [3, 3], s: [2, 2], p: around([3, 3]) }, true],
    ['stem', { x: [2, 5, 15, 18], o: 24, k: [5, 5], p: around([5, 5]) }, true],
    ['depthwise', { x: [2, 24, 9, 8], o: 24, g: 24, k: [3, 3], p: around([3, 3]) }],
    ['depthwise cut', { x: [2, 24, 10, 10], o: 24, g: 24, k: [3, 3], s: [3, 3] }],
  ];
  const spied = { depthwise, stem };
  for (const spy of Object.values(spied)) vi.mocked(spy).mockClear();
  await check(reach.map(([, c, first]) => convCase(c, first)));
  const reached = new Set<string>();
  for (const [name, spy] of Object.entries(spied))
    for (const [task] of vi.mocked(spy).mock.calls) reached.add(name).add(branchOf(name, task));
  expect([...new Set(reach.map(([name]) => name))].filter((name) => !reached.has(name))).toEqual([]);
});

function branchOf(name: string, { axes }: WeightGradTask): string {
  const cut = axes.some((a) => a.end < (a.size + a.begin + a.end - a.kernel) % a.stride);
  return name === 'depthwise' && cut ? 'depthwise cut' : name;
}
