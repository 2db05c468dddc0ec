import { describe, expect, test } from 'vitest';
import { parameterGroups, weights } from '../../cli/setting-kinds.js';

describe('--group', () => {
  test.each([
    ['*.bias:lr=2,decay=0', [{ pattern: '*.bias', lr: 2, decay: 0 }]],
    ['stem.*:frozen', [{ pattern: 'stem.*', frozen: true }]],
    ['model:0/conv:lr=0.1', [{ pattern: 'model:0/conv', lr: 0.1 }]],
    ['a: decay=4e-5 , lr=1', [{ pattern: 'a', decay: 4e-5, lr: 1 }]],
  ])('%s', (text, expected) => expect(parameterGroups.parse(text)).toEqual(expected));

  test.each([
    '',
    'a',
    ':lr=1',
    'a:',
    'a:lr',
    'a:lr=0',
    'a:lr=-1',
    'a:lr=x',
    'a:frozen=1',
    'a:lr=1,lr=2',
    'a:rate=1',
    'a:lr=1=2',
  ])('%s is refused', (text) => expect(parameterGroups.parse(text)).toBeUndefined());
});

describe('--aux', () => {
  test('name and weight', () => {
    expect(weights.parse('aux1=0.3')).toEqual([{ name: 'aux1', weight: 0.3 }]);
    expect(weights.parse('a=b=1')).toEqual([{ name: 'a=b', weight: 1 }]);
  });

  test.each(['', 'aux', 'aux=', '=1', 'aux=0', 'aux=-1', 'aux=x'])('%s is refused', (text) =>
    expect(weights.parse(text)).toBeUndefined(),
  );
});
