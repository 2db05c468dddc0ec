/**
 * Single operators against the arrays that the onnx package's reference implementation and ONNX Runtime made
 * (scripts/infer-cases.py).
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { checkNode, checkTypes, inferNode } from '../../../src/onnx/index.js';
import { type CaseJson, caseAttribute, singleNode } from '../../support/op-case.js';

/** How many entries these have depends on data, or on inputs that the cases do not give the values of. */
const OPEN = new Set(['NonZero', 'Compress']);

const cases: CaseJson[] = JSON.parse(
  readFileSync(new URL('../../fixtures/infer/cases.json', import.meta.url), 'utf8'),
);
const byOp = new Map<string, CaseJson[]>();
for (const c of cases) byOp.set(c.op, [...(byOp.get(c.op) ?? []), c]);

describe('inferred types are those of the arrays', () => {
  test.each([...byOp])('%s', (op, list) => {
    for (const c of list) {
      const what = JSON.stringify(c);
      const attributes = Object.fromEntries(Object.entries(c.attrs).map(([k, v]) => [k, caseAttribute(v)]));
      const names = c.out.map((o, i) => (o ? `y${i}` : ''));
      const node = singleNode(c.op, c.in, attributes, names);
      checkNode(node, c.opset);
      checkTypes(node, c.opset, (v) => v.type);
      for (const [i, type] of inferNode(node, c.opset).entries()) {
        const expected = c.out[i];
        if (!expected) continue;
        expect(type?.kind, `output ${i} of ${what}`).toBe('tensor');
        if (type?.kind !== 'tensor') continue;
        expect(type.dataType, what).toBe(expected[0]);
        const shape = OPEN.has(op) ? type.shape?.map((d, k) => d ?? expected[1][k]) : type.shape;
        expect(shape, what).toEqual(expected[1]);
      }
    }
  });
});

test('the cases cover most operators', () => {
  expect(cases.length).toBeGreaterThan(900);
  expect(byOp.size).toBeGreaterThan(110);
});
