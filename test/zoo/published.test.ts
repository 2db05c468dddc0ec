import { describe, expect, test } from 'vitest';
import type { ModelCount } from '../../src/onnx/count.js';
import { printsAs } from '../../src/report/zoo-list.js';
import { countedBy, ZOO, type ZooOptions } from '../../src/zoo/index.js';
import { checkRecorded, facts } from './facts.js';

function count(name: string, options?: ZooOptions): ModelCount {
  return facts(name, options).count;
}

describe.each(ZOO.filter((e) => e.published.length > 0))('published figures of $name', (entry) => {
  test.each(entry.published)('$options ($source)', (figure) => {
    const { options, parametersM, multAddsM, multAddsRoundedToM, rule } = figure;
    const { parameters, multAdds } = countedBy(rule, count(entry.name, options));
    if (parametersM !== undefined)
      expect(parameters / 1e6, 'parameters, M').toSatisfy((v: number) => printsAs(v, parametersM));
    if (multAddsM !== undefined)
      expect(multAdds / 1e6, 'mult-adds, M').toSatisfy((v: number) =>
        printsAs(v, multAddsM, multAddsRoundedToM),
      );
  });
});

test('what a rule leaves out, by hand', () => {
  const found = count('shufflenetv1g4');
  // The classifier: 1088 channels, a thousand classes and their biases; a scale and a bias for each normalized channel.
  expect(countedBy('convolutions', found).multAdds).toBe(found.multAdds - 1088 * 1000);
  const mobile = count('mobilenetv2');
  expect(countedBy('without-bn', mobile)).toEqual({ parameters: 3_470_760, multAdds: mobile.multAdds });
  const study = count('studyresnet34');
  expect(countedBy('all', study)).toEqual({ parameters: 22_716_840, multAdds: study.multAdds });
});

// Exact: torchvision's num_params and the sums over the layer tables of the papers, computed apart from this code.
test.each([
  ['mobilenetv2', {}, 3_504_872, 300_774_272],
  ['resnet20', {}, 269_722, 40_551_040],
  ['resnet32', {}, 464_154, 68_862_592],
  ['resnet44', {}, 658_586, 97_174_144],
  ['resnet56', {}, 853_018, 125_485_696],
  ['resnet110', {}, 1_727_962, 252_887_680],
  ['resnet1202', {}, 19_421_274, 2_829_238_912],
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

checkRecorded('counts, names and dims of torchvision 0.28.0', [
  ['resnet18', {}, 11_689_512, 1_814_073_344, 102, 'bd0b28d3209a171d'],
  ['resnet34', {}, 21_797_672, 3_663_761_408, 182, '3527dbbb4ac82262'],
  ['resnet50', {}, 25_557_032, 4_089_184_256, 267, 'a506be68cf630f4c'],
  ['resnet101', {}, 44_549_160, 7_801_405_440, 522, 'b7894632184dafb1'],
  ['resnet152', {}, 60_192_808, 11_513_626_624, 777, 'e13c31ea628f8ac7'],
  ['mobilenet_v3_large', {}, 5_483_032, 216_589_760, 266, '3abde803707966e4'],
  ['mobilenet_v3_small', {}, 2_542_856, 56_510_400, 210, 'c9434bf8fbe13322'],
]);

// By the same hooks; v1 with the strides of conv1 and conv2 exchanged in every bottleneck.
test.each([
  ['resnet18', { size: 160, classes: 10 }, 11_181_642, 925_291_520],
  ['resnet50', { variant: 'v1' }, 25_557_032, 3_857_973_248],
  ['resnet152', { variant: 'v1' }, 60_192_808, 11_282_415_616],
  ['mobilenetv3large', { width: 0.35 }, 997_064, 35_278_408],
  ['mobilenetv3large', { width: 0.75 }, 3_377_576, 140_033_816],
  ['mobilenetv3large', { width: 1.25 }, 8_164_744, 343_461_000],
  ['mobilenetv3large', { size: 96, classes: 10 }, 4_214_842, 41_792_960],
  ['mobilenetv3small', { width: 0.5 }, 917_264, 18_970_736],
  ['mobilenetv3small', { width: 1.25 }, 3_644_912, 88_155_944],
] as const)('%s %j has %i parameters and %i mult-adds', (name, options, parameters, multAdds) => {
  expect(count(name, options)).toMatchObject({ parameters, multAdds });
});
