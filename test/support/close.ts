import { expect } from 'vitest';

type Numbers = ArrayLike<number>;

/** Largest absolute difference and where; NaN anywhere counts as infinite. */
export function difference(
  actual: Numbers,
  expected: Numbers,
): { max: number; index: number; scale: number } {
  let max = 0;
  let index = 0;
  let scale = 0;
  for (let i = 0; i < expected.length; i++) {
    const d = Math.abs(actual[i] - expected[i]);
    const e = Number.isNaN(d) ? Number.POSITIVE_INFINITY : d;
    if (e > max) {
      max = e;
      index = i;
    }
    scale = Math.max(scale, Math.abs(expected[i]));
  }
  return { max, index, scale };
}

/**
 * Asserts |actual - expected| <= absolute + relative·|expected| for each element, and equal lengths. A failure names
 * the worst element. Tolerances have no default: the caller states them.
 */
export function expectClose(
  actual: Numbers,
  expected: Numbers,
  tolerance: { readonly absolute: number; readonly relative?: number },
  what = 'values',
): void {
  expect(actual.length, `${what}: length`).toBe(expected.length);
  let worst = -1;
  let excess = 0;
  for (let i = 0; i < expected.length; i++) {
    const limit = tolerance.absolute + (tolerance.relative ?? 0) * Math.abs(expected[i]);
    const d = Math.abs(actual[i] - expected[i]);
    const over = Number.isNaN(d) ? Number.POSITIVE_INFINITY : d - limit;
    if (over > excess) {
      excess = over;
      worst = i;
    }
  }
  if (worst >= 0)
    expect.fail(
      `${what}: [${worst}] is ${actual[worst]}, expected ${expected[worst]} (off by ${Math.abs(actual[worst] - expected[worst])}, allowed ${tolerance.absolute} + ${tolerance.relative ?? 0}·|expected|); largest difference ${difference(actual, expected).max}`,
    );
}

/** ‖actual − expected‖ ÷ ‖expected‖. */
export function relativeL2(actual: Numbers, expected: Numbers): number {
  let d = 0;
  let n = 0;
  for (let i = 0; i < expected.length; i++) {
    d += (actual[i] - expected[i]) ** 2;
    n += expected[i] ** 2;
  }
  return n === 0 ? Math.sqrt(d) : Math.sqrt(d / n);
}
