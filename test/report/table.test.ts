import { describe, expect, test } from 'vitest';
import { renderTable, type Table } from '../../src/report/table.js';

const table: Table = {
  columns: [{ title: 'name' }, { title: 'top-1', align: 'right' }],
  rows: [
    ['größer, |x|', '9.1 %'],
    ['b "q"', '100.00 %'],
  ],
};

describe('renderTable', () => {
  test('text is aligned by characters, without trailing spaces', () => {
    expect(renderTable(table)).toBe(
      [
        'name            top-1',
        '───────────  ────────',
        'größer, |x|     9.1 %',
        'b "q"        100.00 %',
      ].join('\n'),
    );
  });

  test('markdown escapes bars and marks the right-aligned columns', () => {
    expect(renderTable(table, 'markdown')).toBe(
      [
        '| name          |    top-1 |',
        '| ------------- | -------: |',
        '| größer, \\|x\\| |    9.1 % |',
        '| b "q"         | 100.00 % |',
      ].join('\n'),
    );
  });

  test('csv quotes commas and quotes', () => {
    expect(renderTable(table, 'csv')).toBe('name,top-1\n"größer, |x|",9.1 %\n"b ""q""",100.00 %');
  });

  test('a table without rows is its titles', () => {
    expect(renderTable({ columns: [{ title: 'a' }], rows: [] })).toBe('a\n─');
    expect(renderTable({ columns: [{ title: 'a' }], rows: [] }, 'csv')).toBe('a');
  });
});
