/**
 * Every rule against the float64 interpreter, on the operator cases that type inference is tested with: each attribute
 * away from its default, on inputs drawn at random.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { UnsupportedError } from '../../../src/base/errors.js';
import { type Random, randomFor } from '../../../src/base/random.js';
import { Graph, Model, sizeOf, Tensor, tensorType, type Value } from '../../../src/onnx/index.js';
import { checkSupported } from '../../../src/runtime/tfjs/check.js';
import { loadTfjs } from '../../../src/runtime/tfjs/load.js';
import { REFUSED, RULES } from '../../../src/runtime/tfjs/rules.js';
import type { Tf } from '../../../src/runtime/tfjs/tf.js';
import { type CaseJson, caseAttribute, dataType, type TypedDims, tensorOf } from '../../support/op-case.js';
import { normal } from '../reference/against-ort.js';
import { expectLikeReference, expectOp } from './support.js';

let tf: Tf;
beforeAll(async () => {
  tf = await loadTfjs();
}, 60_000);

const cases: CaseJson[] = JSON.parse(
  readFileSync(new URL('../../fixtures/infer/cases.json', import.meta.url), 'utf8'),
);
const byOp = new Map<string, CaseJson[]>();
/** The interpreter knows these operator sets. */
const isKnown = ({ opset }: CaseJson): boolean => opset >= 7 && opset <= 26;
for (const c of cases.filter(isKnown))
  if (Object.hasOwn(RULES, c.op)) byOp.set(c.op, [...(byOp.get(c.op) ?? []), c]);

/** Where a function is not defined everywhere: from which number on its arguments are drawn, and up to which. */
const DOMAINS: Readonly<Record<string, readonly [number, number]>> = {
  Acos: [-1, 1],
  Asin: [-1, 1],
  Atanh: [-0.9, 0.9],
  Acosh: [1, 4],
  Log: [0.1, 4],
  Sqrt: [0, 4],
  Pow: [0.2, 2],
  ReduceLogSum: [0.1, 4],
  // Variances, among others.
  BatchNormalization: [0.5, 2],
  Reciprocal: [0.5, 2],
  Div: [1, 4],
  Mod: [1, 9],
};

/**
 * Looser than 1e-6 of the largest value. Erf and Gelu: the CPU backend takes Abramowitz and Stegun's formula 7.1.26, which
 * is off by up to 1.5e-7, in float32, times an input of a few units. Tan and Pow: steep.
 */
const TOLERANCES: Readonly<Record<string, number>> = { Erf: 2e-6, Gelu: 2e-6, Tan: 3e-6 };

function drawn(random: Random, op: string, [type, dims]: TypedDims): Tensor {
  const [low, high] = DOMAINS[op] ?? [-3, 3];
  const size = sizeOf(dims.map(Number));
  const value = (): number => low + (high - low) * random.next();
  const whole = (): number => Math.max(type.startsWith('u') ? 0 : low, Math.floor(value()));
  const make = type === 'bool' ? (): number => random.int(2) : type.startsWith('float') ? value : whole;
  return tensorOf(type, dims.map(Number), Array.from({ length: size }, make));
}

/** The case as a model of one node; inputs without given numbers are fed. */
function modelOf(c: CaseJson): { model: Model; feeds: Map<string, Tensor> } {
  const random = randomFor('tfjs op', JSON.stringify(c));
  const graph = new Graph('op');
  const feeds = new Map<string, Tensor>();
  const inputs = c.in.map((x, i): Value | undefined => {
    if (x === null) return undefined;
    const [type, dims, values] = x;
    if (values) return graph.addInitializer(`x${i}`, tensorOf(type, dims.map(Number), values));
    feeds.set(`x${i}`, drawn(random, c.op, x));
    return graph.addInput(`x${i}`, tensorType(dataType(type), dims));
  });
  const attributes = Object.fromEntries(Object.entries(c.attrs).map(([k, v]) => [k, caseAttribute(v)]));
  const outputs = c.out.map((o, i) => (o ? `y${i}` : ''));
  const node = graph.addNode({ opType: c.op, name: 'n', inputs, outputs, attributes });
  for (const [i, o] of node.outputs.entries()) {
    const expected = c.out[i];
    if (!expected) continue;
    o.type = tensorType(dataType(expected[0]), expected[1]);
    graph.addOutput(o);
  }
  return { model: new Model(graph, c.opset, 10), feeds };
}

/** Cases that are compared; those that the engine refuses are counted below. */
let compared = 0;
const refused = new Map<string, number>();

describe('like the float64 interpreter', () => {
  test.each([...byOp])(
    '%s',
    (op, list) => {
      for (const c of list) {
        const { model, feeds } = modelOf(c);
        try {
          checkSupported(model);
        } catch (error) {
          if (!(error instanceof UnsupportedError)) throw error;
          refused.set(op, (refused.get(op) ?? 0) + 1);
          continue;
        }
        expectLikeReference(tf, model, feeds, JSON.stringify(c), TOLERANCES[op]);
        compared++;
      }
    },
    120_000,
  );

  test('of most operators most cases', () => {
    expect(byOp.size).toBeGreaterThan(90);
    expect(compared).toBeGreaterThan(600);
    for (const [op, list] of byOp)
      expect(refused.get(op) ?? 0, `${op}: all cases are refused`).toBeLessThan(list.length);
  });
});

test('ScatterND of rows, of elements, and counted from the end', () => {
  const scatter = (dims: number[], indices: number[], shape: number[], updates: number[]): void =>
    expectOp(tf, {
      op: 'ScatterND',
      opset: 18,
      inputs: [normal(...dims), Tensor.int64(shape, indices), normal(...updates)],
    });
  scatter([4, 3, 2], [-1, 1], [2, 1], [2, 3, 2]);
  scatter([4, 3, 2], [0, -1, 3, 1], [2, 2], [2, 2]);
  scatter([2, 3, 2], [0, 0, 0, 0, 1, -1, 1, 2, 0, 1, 0, 1], [2, 2, 3], [2, 2]);
});

test('an op has a rule or a reason, never both', () => {
  expect(Object.keys(RULES).filter((op) => Object.hasOwn(REFUSED, op))).toEqual([]);
});
