import type { Table } from '../../src/report/table.js';
import type { Exactness } from './products.js';

export function float16Table(found: readonly Exactness[]): Table {
  return {
    columns: [
      { title: 'product' },
      { title: 'terms', align: 'right' },
      { title: 'sum of ones', align: 'right' },
      { title: 'error', align: 'right' },
      { title: 'rounded once', align: 'right' },
      { title: '×', align: 'right' },
    ],
    rows: found.map(({ product, ones, error, rounding }) => [
      product.name,
      `${product.terms}`,
      `${ones}`,
      error.toExponential(1),
      rounding.toExponential(1),
      (error / rounding).toFixed(1),
    ]),
  };
}
