import { describe, expect, test } from 'vitest';
import { countModel, type ModelCount } from '../../src/onnx/count.js';
import { buildModel, ZOO, type ZooOptions } from '../../src/zoo/index.js';

const counts = new Map<string, ModelCount>();

function count(name: string, options: ZooOptions = {}): ModelCount {
  const key = `${name} ${JSON.stringify(options)}`;
  const known = counts.get(key) ?? countModel(buildModel(name, options));
  counts.set(key, known);
  return known;
}

/** Digits behind the point of a figure as it was printed. */
function decimals(figure: number): number {
  return `${figure}`.split('.')[1]?.length ?? 0;
}

/** Rounded or cut off to the printed digits: both are in use. */
function printsAs(exact: number, figure: number): boolean {
  const unit = 10 ** -decimals(figure);
  return Math.abs(exact - figure) <= unit / 2 || (exact >= figure && exact - figure < unit);
}

describe.each(ZOO)('published figures of $name', (entry) => {
  test.each(entry.published)('$options ($source)', ({ options, parametersM, multAddsM, rule }) => {
    const found = count(entry.name, options);
    let { parameters } = found;
    if (rule === 'without-bn')
      for (const layer of found.layers) if (layer.op === 'BatchNormalization') parameters -= layer.parameters;
    if (parametersM !== undefined)
      expect(parameters / 1e6, 'parameters, M').toSatisfy((v: number) => printsAs(v, parametersM));
    if (multAddsM !== undefined)
      expect(found.multAdds / 1e6, 'mult-adds, M').toSatisfy((v: number) => printsAs(v, multAddsM));
  });
});

// Exact: torchvision's num_params and the sums over the layer tables of the papers, computed apart from this code.
test.each([
  ['mobilenetv2', {}, 3_504_872, 300_774_272],
  ['resnet20', {}, 269_722, 40_551_040],
  ['resnet32', {}, 464_154, 68_862_592],
  ['resnet44', {}, 658_586, 97_174_144],
  ['resnet56', {}, 853_018, 125_485_696],
  ['resnet110', {}, 1_727_962, 252_887_680],
  ['resnet20', { shortcut: 'B' }, 272_474, 40_813_184],
] as const)('%s %j has %i parameters and %i mult-adds', (name, options, parameters, multAdds) => {
  expect(count(name, options)).toMatchObject({ parameters, multAdds, weightMultAdds: 0, uncounted: [] });
});

test('mult-adds of MobileNetV2 grow with the area, except in the classifier', () => {
  const fc = 1280 * 1000;
  const at224 = count('mobilenetv2').multAdds - fc;
  const at448 = count('mobilenetv2', { size: 448 }).multAdds - fc;
  expect(at448).toBe(4 * at224);
});
