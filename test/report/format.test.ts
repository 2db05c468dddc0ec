import { expect, test } from 'vitest';
import { count, duration, percent, short, small } from '../../src/report/format.js';

test.each([
  [0.91732, '91.73 %'],
  [1, '100.00 %'],
  [0, '0.00 %'],
  [null, '–'],
])('percent(%s)', (value, text) => expect(percent(value)).toBe(text));

test.each([
  [0, '0 s'],
  [59.4, '59 s'],
  [59.6, '1 min 00 s'],
  [62, '1 min 02 s'],
  [3599.7, '1 h 00 min'],
  [3723, '1 h 02 min'],
  [Number.POSITIVE_INFINITY, '–'],
])('duration(%s)', (seconds, text) => expect(duration(seconds)).toBe(text));

test('counts', () => {
  expect(count(3504889)).toBe('3,504,889');
  expect([999, 1000, 65_312, 3_504_872, 301_234_567, 5.6e9].map(short)).toEqual([
    '999',
    '1.00 k',
    '65.31 k',
    '3.50 M',
    '301.2 M',
    '5.60 G',
  ]);
  expect([0, 0.00000123, 3.6e-7].map(small)).toEqual(['0', '1.2e-6', '3.6e-7']);
});
