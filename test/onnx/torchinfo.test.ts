import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../../src/onnx/builder.js';
import { decodeModel } from '../../src/onnx/codec/decode.js';
import { countModel } from '../../src/onnx/count.js';
import { Graph, Model, Tensor, tensorType, type Value } from '../../src/onnx/index.js';
import { buildModel } from '../../src/zoo/index.js';
import { golden, goldenTest } from '../support/goldens.js';

/** What scripts/make-torchinfo-fixtures.py recorded. */
interface Recorded {
  readonly input: readonly number[];
  readonly parameters: number;
  readonly multAdds: number;
  readonly inputBytes: number;
  readonly passBytes: number;
  readonly usedParameterBytes: number;
}

const recorded: Readonly<Record<string, Recorded>> = JSON.parse(
  readFileSync(new URL('../fixtures/torchinfo.json', import.meta.url), 'utf8'),
);
const exported = Object.keys(recorded).filter((name) => !name.startsWith('study'));

goldenTest('exported networks: the totals are those that torchinfo prints for the module', () => {
  let compared = 0;
  // The exports in which every module is still a node.
  for (const name of exported)
    for (const file of ['script17_evalbn.onnx', 'script17_train.onnx']) {
      const path = golden('onnx-export', name, file);
      if (!existsSync(path)) continue;
      compared++;
      const expected = recorded[name];
      const { torchinfo, unusedParameters } = countModel(decodeModel(readFileSync(path)), {
        batch: expected.input[0],
      });
      // An exporter drops heads that do not run, and their parameters with them.
      const dropped = name === 'googlenet_oddsize';
      expect(torchinfo, `${name}/${file}`).toMatchObject({
        parameters: dropped ? expected.usedParameterBytes / 4 : expected.parameters,
        nonTrainable: 0,
        multAdds: expected.multAdds,
        inputBytes: 4 * expected.input.reduce((a, d) => a * d, 1),
        passBytes: expected.passBytes,
        parameterBytes: expected.usedParameterBytes,
      });
      expect(unusedParameters).toBe(0);
    }
  expect(compared).toBeGreaterThan(25);
});

const MB = (bytes: number): string => (bytes / 1e6).toFixed(2);
const G = (count: number): string => (count / 1e9).toFixed(2);

describe('summaries of the study variants at batch 10', () => {
  const expectRecorded = (name: string, found: ReturnType<typeof countModel>): void => {
    const expected = recorded[name];
    expect(found.torchinfo).toMatchObject({
      parameters: expected.parameters,
      multAdds: expected.multAdds,
      inputBytes: 4 * expected.input.reduce((a, d) => a * d, 1),
      passBytes: expected.passBytes,
      parameterBytes: expected.usedParameterBytes,
    });
  };

  test('ResNet-34', () => {
    const found = countModel(buildModel('studyresnet34'), { batch: 10 });
    expectRecorded('study resnet34', found);
    expect(found).toMatchObject({ parameters: 21_797_672, unusedParameters: 22_716_840 - 21_797_672 });
    expect(G(found.multAdds)).toBe('36.64');
    const { torchinfo } = found;
    expect([G(torchinfo.multAdds), MB(torchinfo.passBytes), MB(torchinfo.totalBytes)]).toEqual([
      '36.64',
      '598.18',
      '691.39',
    ]);
  });

  test('stage conv2_x of ResNet-34, as a part of the network', () => {
    const found = countModel(buildModel('studyresnet34'), {
      batch: 10,
      layers: (name) => name.startsWith('layer1.'),
    });
    expectRecorded('study resnet34 conv2_x', found);
    expect(found.torchinfo.parameters).toBe(234_624);
    expect([G(found.multAdds), MB(found.torchinfo.passBytes)]).toEqual(['6.94', '192.68']);
  });

  test('stage conv4_x of ResNet-101, all of whose bottlenecks use their projection', () => {
    const found = countModel(buildModel('studyresnet101'), {
      batch: 10,
      layers: (name) => name.startsWith('layer3.'),
    });
    expectRecorded('study resnet101 conv4_x', found);
    expect(found).toMatchObject({ parameters: 49_204_224, unusedParameters: 0 });
    expect([G(found.multAdds), MB(found.torchinfo.passBytes)]).toEqual(['96.21', '1846.48']);
  });
});

test('a MatMul and the bias added to it are one linear layer; a layer scale is part of none', () => {
  const graph = new Graph('g');
  const b = new GraphBuilder(graph, 17);
  const weight = (name: string, ...dims: number[]): Value =>
    b.constant(Tensor.float32(dims, new Float32Array(dims.reduce((a, d) => a * d, 1))), name);
  const x = graph.addInput('x', tensorType('float32', ['N', 5, 4]));
  const y = b.op('Add', [b.op('MatMul', [x, weight('w', 4, 8)]), weight('b', 8)]);
  graph.addOutput(b.op('Mul', [y, weight('gamma', 8)]));
  const { torchinfo, connections } = countModel(new Model(graph, 17), { batch: 3 });
  expect(torchinfo).toMatchObject({
    parameters: 48,
    multAdds: 3 * 5 * (32 + 8),
    passBytes: 2 * 4 * (3 * 5 * 8),
    parameterBytes: 4 * 48,
    inputBytes: 4 * 3 * 5 * 4,
  });
  expect(connections).toBe(5 * 8 * (4 + 1));
});
