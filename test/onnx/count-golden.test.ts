import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { decodeModel } from '../../src/onnx/codec/decode.js';
import { countModel, type ModelCount } from '../../src/onnx/count.js';
import type { Model } from '../../src/onnx/index.js';
import { golden, goldenTest, haveGoldens } from '../support/goldens.js';

/** What PyTorch forward hooks counted on the module that was exported. */
interface Info {
  readonly input_shape: readonly number[];
  readonly params: number;
  readonly buffers: number;
  readonly macs: number;
  readonly layers: readonly {
    readonly name: string;
    readonly type: string;
    readonly output_shape: readonly number[];
    readonly params: number;
    readonly macs: number;
  }[];
}

const networks = haveGoldens ? readdirSync(golden('onnx-export')) : [];

for (const network of networks)
  goldenTest(`${network}: parameters, buffers and mult-adds of every export are PyTorch's`, () => {
    const folder = golden('onnx-export', network);
    const info: Info = JSON.parse(readFileSync(`${folder}/info.json`, 'utf8'));
    // This one has auxiliary heads that do not run in inference: only what ran counts.
    const params =
      network === 'googlenet_oddsize' ? info.layers.reduce((sum, l) => sum + l.params, 0) : info.params;
    const heads = info.params - params;
    for (const file of readdirSync(folder).filter((f) => f.endsWith('.onnx'))) {
      const model = decodeModel(readFileSync(`${folder}/${file}`), { folder });
      const count = countModel(model, { batch: info.input_shape[0] });
      const where = `${network}/${file}`;
      expect(count.multAdds, where).toBe(info.macs);
      expect(count.uncounted, where).toEqual([]);
      // A BatchNormalization folded into a convolution without bias: scale, bias, mean, variance become one bias.
      const gone = heads > 0 ? 0 : info.buffers - count.buffers;
      if (heads === 0) expect(count.parameters, where).toBe(params - gone / 2);
      else if (file.startsWith('script17')) expect(count.parameters, where).toBe(params);
      if (file === 'script17_evalbn.onnx') expectSameLayers(model, count, info);
    }
  });

goldenTest('there are networks to compare with', () => {
  expect(networks.length).toBeGreaterThan(15);
});

/** Each convolution, linear layer and BatchNormalization, found by the name of its weight. */
function expectSameLayers(model: Model, count: ModelCount, info: Info): void {
  let found = 0;
  for (const expected of info.layers) {
    if (!/Conv|Linear|BatchNorm/.test(expected.type)) continue;
    const node = model.graph.find(`${expected.name}.weight`)?.consumers[0];
    if (!node) continue;
    found++;
    const layer = count.layers.find((l) => l.name === node.name);
    expect(layer, expected.name).toMatchObject({
      parameters: expected.params,
      multAdds: expected.macs,
      outputShape: expected.output_shape,
    });
  }
  expect(found).toBeGreaterThan(10);
}
