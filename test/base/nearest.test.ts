import { describe, expect, test } from 'vitest';
import { didYouMean, editDistance, nearest } from '../../src/base/nearest.js';

describe('editDistance', () => {
  test.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
    ['epochs', 'ecophs', 2],
    ['verfiy', 'verify', 1],
    ['ca', 'abc', 3],
    ['Fuse', 'fuse', 0],
  ])('%s to %s is %i', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
    expect(editDistance(b, a)).toBe(distance);
  });
});

describe('nearest', () => {
  const options = ['--epochs', '--exclude', '--map-kernel', '--lr', '--json'];

  test.each([
    ['--epoch', '--epochs'],
    ['--jsno', '--json'],
    ['--mapkernel', '--map-kernel'],
    ['--map', '--map-kernel'],
    ['--learning-rate', undefined],
    ['--zzzzzzz', undefined],
  ])('%s means %s', (given, wanted) => {
    expect(nearest(given, options)).toBe(wanted);
  });

  test('a tie goes to the earlier candidate, an exact match wins over a prefix', () => {
    expect(nearest('resnet2', ['resnet20', 'resnet26'])).toBe('resnet20');
    expect(nearest('resnet20', ['resnet200', 'resnet20'])).toBe('resnet20');
  });

  test('a short word is not near everything', () => {
    expect(nearest('a', ['zoo', 'fuse'])).toBeUndefined();
    expect(nearest('x', [])).toBeUndefined();
  });
});

test('didYouMean is a sentence or nothing', () => {
  expect(didYouMean('fusee', ['fuse'])).toBe('did you mean fuse?');
  expect(didYouMean('qqqq', ['fuse'])).toBeUndefined();
});
