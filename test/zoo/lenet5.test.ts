import { describe, expect, test } from 'vitest';
import { encodeModel, Tensor } from '../../src/onnx/index.js';
import { buildModel } from '../../src/zoo/index.js';
import { checkNetwork } from './check-network.js';
import { facts } from './facts.js';
import { normals, run } from './support.js';

/** Parameters of the layers whose node names start with this. */
function parametersOf(layer: string): number {
  const found = facts('lenet5').count.layers.filter(
    (l) => l.name.startsWith(`${layer}.`) || l.name === layer,
  );
  return found.reduce((sum, l) => sum + l.parameters, 0);
}

describe('counts of the paper (section II.B)', () => {
  test.each([
    ['c1', 156],
    ['s2', 12],
    ['c3', 1516],
    ['s4', 32],
    ['c5', 48_120],
    ['f6', 10_164],
    ['output', 850],
  ])('%s has %i trainable parameters', (layer, parameters) => {
    expect(parametersOf(layer)).toBe(parameters);
  });

  test('60,000 before the output layer', () => {
    const { count } = facts('lenet5');
    expect(count.parameters - 850).toBe(60_000);
    // 28²·150 + 10²·1500 + 48,000 + 10,080 + 840
    expect(count.multAdds).toBe(326_520);
  });

  // Of C1 122,304 and C3 151,600: weights and biases at every pixel of the output.
  test('connections of C1 and C3', () => {
    const convolutions = facts('lenet5').count.layers.filter((l) => l.op === 'Conv');
    const [c1, three, four, six, c5] = convolutions.map((l) => l.connections ?? Number.NaN);
    expect([c1, three + four + six, c5]).toEqual([122_304, 151_600, 48_120]);
  });
});

/** Table I of the paper: rows are maps of S2, columns maps of C3. */
const TABLE_I = [
  'X   XXX  XXXX XX',
  'XX   XXX  XXXX X',
  'XXX   XXX  X XXX',
  ' XXX  XXXX  X XX',
  '  XXX  XXXX XX X',
  '   XXX  XXXX XXX',
];

test('a map of S2 reaches the maps of C3 that table I names, and no other', async () => {
  const reached = await Promise.all(
    TABLE_I.map(async (_, map) => {
      const model = buildModel('lenet5', { seed: 3 });
      const { graph } = model;
      const at = (name: string) => {
        const node = graph.nodes.find((n) => n.name === name);
        if (!node) throw new Error(`no ${name}`);
        return node.outputs[0];
      };
      graph.removeOutput(graph.outputs[0]);
      graph.addOutput(at('c3'));
      const x = normals(32 * 32, 1);
      const before = await run(model, [1, 1, 32, 32], x);
      const bias = [...graph.initializers].find((v) => v.name === 's2.bias');
      if (!bias) throw new Error('no s2.bias');
      const moved = Float32Array.from({ length: 6 }, (__, i) => (i === map ? 1 : 0));
      graph.setInitializer(bias, Tensor.float32([6, 1, 1], moved));
      const after = await run(model, [1, 1, 32, 32], x);
      const pixels = 100;
      return Array.from({ length: 16 }, (__, c) =>
        after.data.subarray(c * pixels, (c + 1) * pixels).some((v, i) => v !== before.data[c * pixels + i])
          ? 'X'
          : ' ',
      ).join('');
    }),
  );
  expect(reached).toEqual(TABLE_I);
});

test('larger images make larger maps; smaller ones are refused', () => {
  expect(encodeModel(buildModel('lenet5', { size: 40 })).length).toBeGreaterThan(0);
  expect(facts('lenet5', { size: 40 }).count.parameters).toBe(60_850 + 84 * 120 * 8);
  expect(() => buildModel('lenet5', { size: 28 })).toThrow(/lenet5: size; expected at least 32; found 28/);
});

checkNetwork({ name: 'lenet5', options: { size: 32 }, lr: 0.05 });
