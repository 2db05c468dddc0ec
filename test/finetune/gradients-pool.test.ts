import { describe, expect, test } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { poolAttributes, resolvePads, sizeOf, windowOutput } from '../../src/onnx/index.js';
import { checkGradients, type Draw } from '../support/gradcheck.js';
import { gradientOf } from '../support/gradient-of.js';

/** Sliding windows: against central differences, and where values tie against the definition. */

interface Case {
  readonly x: readonly number[];
  readonly attributes: Readonly<Record<string, number | readonly number[] | string>>;
}

const windows: Record<string, Case> = {
  'one axis': { x: [2, 2, 7], attributes: { kernel_shape: [3], strides: [2] } },
  'one axis, overlapping and padded': { x: [2, 2, 8], attributes: { kernel_shape: [3], pads: [1, 1] } },
  'one axis, ceil_mode': { x: [1, 2, 6], attributes: { kernel_shape: [3], strides: [2], ceil_mode: 1 } },
  'one axis, dilated': { x: [1, 2, 9], attributes: { kernel_shape: [3], dilations: [3], strides: [2] } },
  'non-overlapping': { x: [2, 2, 4, 6], attributes: { kernel_shape: [2, 3], strides: [2, 3] } },
  'overlapping, stride 1': { x: [1, 2, 5, 4], attributes: { kernel_shape: [3, 2] } },
  'overlapping, padded (the stem of a ResNet)': {
    x: [1, 2, 8, 7],
    attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
  },
  'asymmetric pads': {
    x: [1, 2, 6, 5],
    attributes: { kernel_shape: [3, 3], strides: [2, 1], pads: [0, 2, 1, 0] },
  },
  ceil_mode: { x: [1, 2, 6, 7], attributes: { kernel_shape: [3, 2], strides: [2, 2], ceil_mode: 1 } },
  'ceil_mode with pads': {
    x: [1, 2, 6, 8],
    attributes: { kernel_shape: [3, 3], strides: [2, 3], pads: [1, 1, 1, 1], ceil_mode: 1 },
  },
  'ceil_mode, a last window that would start in the padding': {
    x: [1, 1, 4, 4],
    attributes: { kernel_shape: [2, 2], strides: [3, 3], pads: [1, 1, 1, 1], ceil_mode: 1 },
  },
  'leaving a rest': { x: [1, 2, 8, 9], attributes: { kernel_shape: [2, 2], strides: [3, 4] } },
  dilated: { x: [1, 2, 7, 8], attributes: { kernel_shape: [2, 3], dilations: [3, 2] } },
  'dilated, strided, padded': {
    x: [1, 2, 7, 8],
    attributes: { kernel_shape: [3, 2], dilations: [2, 3], strides: [2, 1], pads: [2, 1, 2, 1] },
  },
  'dilated, ceil_mode': {
    x: [1, 1, 8, 7],
    attributes: { kernel_shape: [2, 2], dilations: [2, 2], strides: [2, 3], ceil_mode: 1 },
  },
  'auto_pad SAME_UPPER': {
    x: [1, 2, 5, 6],
    attributes: { kernel_shape: [3, 3], strides: [2, 2], auto_pad: 'SAME_UPPER' },
  },
  'three axes': { x: [1, 1, 4, 3, 5], attributes: { kernel_shape: [2, 2, 3], strides: [2, 1, 2] } },
};

describe('MaxPool agrees with central differences', () => {
  for (const [name, { x, attributes }] of Object.entries(windows))
    test(name, () => {
      // Apart by 0.1 at least, in a mixed order: no maximum changes hands within a step.
      const apart: Draw = { dims: x, value: (_, i) => ((i * 83 + 11) % 257) * 0.1 - 12 };
      return checkGradients(`MaxPool ${name}`, {
        inputs: { x: apart },
        build: (b, v) => b.op('MaxPool', [v.x], attributes),
      });
    });
});

describe('AveragePool agrees with central differences', () => {
  for (const [name, { x, attributes }] of Object.entries(windows))
    for (const count_include_pad of [0, 1])
      test(`${name}, count_include_pad ${count_include_pad}`, () =>
        checkGradients(`AveragePool ${name} ${count_include_pad}`, {
          inputs: { x },
          build: (b, v) => b.op('AveragePool', [v.x], { ...attributes, count_include_pad }),
        }));
});

describe('MaxPool where values tie: the whole gradient goes to the first maximum, row by row', () => {
  for (const [name, { x, attributes }] of Object.entries(windows))
    for (const levels of [1, 3])
      test(`${name}, ${levels === 1 ? 'a constant image' : 'constant regions'}`, () => {
        const random = randomFor('ties', name, levels);
        const data = Array.from({ length: sizeOf(x) }, () => -1 - random.int(levels));
        const { gradient, dy, node } = gradientOf(
          x,
          data,
          (b, v) => b.op('MaxPool', [v], attributes),
          (i) => 1 + (i % 5),
        );
        const window = poolAttributes(node);
        const size = x.slice(2);
        const out = size.map((n, d) => windowOutput(window, d, n, window.ceilMode));
        const pads = resolvePads(window, size);
        const expected = new Array<number>(data.length).fill(0);
        const plane = sizeOf(size);
        for (let p = 0; p < x[0] * x[1]; p++)
          positions(out).forEach((o, at) => {
            let best = -1;
            for (const t of positions(window.kernel)) {
              const place = o.map((v, d) => v * window.strides[d] - pads[d] + t[d] * window.dilations[d]);
              if (place.some((v, d) => v < 0 || v >= size[d])) continue;
              const i = p * plane + place.reduce((sum, v, d) => sum * size[d] + v, 0);
              if (best < 0 || data[i] > data[best]) best = i;
            }
            expected[best] += dy[p * sizeOf(out) + at];
          });
        expect(gradient).toEqual(expected);
      });
});

/** Every index of a box, row by row. */
function positions(dims: readonly number[]): number[][] {
  return dims.reduce<number[][]>(
    (list, n) => list.flatMap((head) => Array.from({ length: n }, (_, i) => [...head, i])),
    [[]],
  );
}
