/** Mutated operator calls: inference answers or refuses with a ModelError, and never fails in another way. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ModelError } from '../../../src/base/errors.js';
import { type Random, randomFor } from '../../../src/base/random.js';
import {
  type AttributeInit,
  checkNode,
  checkTypes,
  inferTypes,
  Model,
  type Node,
  upgradeOpset,
} from '../../../src/onnx/index.js';
import type { Dim } from '../../../src/onnx/ir/types.js';
import { type CaseJson, caseAttribute, singleNode, type TypedDims } from '../../support/op-case.js';

const cases: CaseJson[] = JSON.parse(
  readFileSync(new URL('../../fixtures/infer/cases.json', import.meta.url), 'utf8'),
);

const DIMS: readonly Dim[] = [0, 1, 2, 3, 7, 2 ** 31, 2 ** 52, 'N', null];
const NUMBERS = [-(2 ** 63), -7, -2, -1, 0, 1, 2, 3, 99, 2 ** 31, 2 ** 63 - 1024];

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.int(list.length)];
}

/** One change somewhere: a dim, a constant's element, the rank, a missing input, an attribute, the opset. */
function mutated(c: CaseJson, random: Random): { node: Node; opset: number } {
  const inputs: (TypedDims | null)[] = [...c.in];
  const attributes: Record<string, AttributeInit> = {};
  for (const [k, v] of Object.entries(c.attrs)) attributes[k] = caseAttribute(v);
  let { opset } = c;
  const at = random.int(Math.max(1, inputs.length));
  const input = inputs[at];
  switch (random.int(7)) {
    case 0:
      if (input) inputs[at] = [input[0], input[1].map((d) => (random.int(2) ? d : pick(random, DIMS)))];
      break;
    case 1:
      if (input?.[2])
        inputs[at] = [
          input[0],
          input[1],
          input[2].map(() => (input[0] === 'bool' ? 1 : pick(random, NUMBERS))),
        ];
      break;
    case 2:
      if (input)
        inputs[at] = [input[0], random.int(2) ? [...input[1], pick(random, DIMS)] : input[1].slice(1)];
      break;
    case 3:
      inputs[at] = null;
      break;
    case 4: {
      const name = pick(random, Object.keys(attributes));
      const old = name === undefined ? undefined : c.attrs[name];
      if (old?.int !== undefined) attributes[name] = BigInt(pick(random, NUMBERS));
      if (old?.ints)
        attributes[name] = {
          type: 'ints',
          value: old.ints.map(() => BigInt(pick(random, NUMBERS))).slice(random.int(2)),
        };
      if (old?.string !== undefined) attributes[name] = pick(random, ['', 'x', 'SAME_UPPER', '...', 'ij->']);
      break;
    }
    case 5:
      opset = 7 + random.int(22);
      break;
    default:
      if (input) inputs[at] = [pick(random, ['string', 'int64', 'bool', 'float64', 'int4']), input[1]];
  }
  const names = c.out.map((o, i) => (o ? `y${i}` : ''));
  return { node: singleNode(c.op, inputs, attributes, names), opset };
}

test('mutated calls are answered or refused', () => {
  let refused = 0;
  let answered = 0;
  const failures: string[] = [];
  cases.forEach((c, index) => {
    for (let turn = 0; turn < 8; turn++) {
      const random = randomFor('hostile', index, turn);
      const { node, opset } = mutated(c, random);
      const { graph } = node;
      if (!graph) throw new Error('no graph');
      const model = new Model(graph, opset, 8);
      for (const act of [
        () => inferTypes(model, { strict: true }),
        () => {
          checkNode(node, opset);
          checkTypes(node, opset, (v) => v.type);
        },
        () => inferTypes(model),
        () => upgradeOpset(model),
      ])
        try {
          act();
          answered++;
        } catch (error) {
          if (error instanceof ModelError || (error instanceof Error && error.name === 'UnsupportedError'))
            refused++;
          else failures.push(`${c.op} ${opset} turn ${turn} of case ${index}: ${error}`);
        }
    }
  });
  expect(failures).toEqual([]);
  expect(refused).toBeGreaterThan(1000);
  expect(answered).toBeGreaterThan(10000);
});
