import { expect, test } from 'vitest';
import { parseArguments, USAGE } from '../../bench/float16/arguments.js';
import { exactnessOf, PRODUCTS } from '../../bench/float16/products.js';
import { float16Table } from '../../bench/float16/table.js';
import { UsageError } from '../../src/base/errors.js';
import { renderTable } from '../../src/report/table.js';
import { createEngine } from '../../src/runtime/index.js';

test('arguments: what is usual, and what is refused in words', () => {
  expect(parseArguments([])).toEqual({ device: 'webgpu', allowSoftware: false, format: 'text', help: false });
  expect(USAGE).toContain('--allow-software');
  expect(() => parseArguments(['--device', 'gpu'])).toThrow(
    /--device; expected cpu, webgpu, cuda; found 'gpu'/,
  );
  expect(() => parseArguments(['--devise', 'cpu'])).toThrow(UsageError);
});

test('the CPU provider sums in float32: all ones count, and results are rounded once', async () => {
  const engine = await createEngine({ threads: 2 });
  try {
    const found = [];
    for (const product of PRODUCTS.filter((p) => p.terms <= 4608))
      found.push(await exactnessOf(engine, product));
    expect(found.length).toBeGreaterThan(6);
    for (const { product, ones, error, rounding } of found) {
      expect(ones, product.name).toBe(product.terms);
      // Half a unit of 11 bits, evenly spread.
      expect(rounding, product.name).toBeGreaterThan(1e-4);
      expect(rounding, product.name).toBeLessThan(3e-4);
      expect(error / rounding, product.name).toBeCloseTo(1, 2);
    }
    expect(renderTable(float16Table(found.slice(0, 1)), 'text')).toMatch(/MatMul +64 +64 .* 1\.0/);
  } finally {
    await engine.close();
  }
});
