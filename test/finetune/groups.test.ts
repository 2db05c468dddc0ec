import { describe, expect, test } from 'vitest';
import { checkGroups, groupParameters } from '../../src/finetune/run/groups.js';
import { fuse, trainables } from '../../src/reparam/index.js';
import { buildModel } from '../../src/zoo/index.js';

const model = buildModel('resnet20', { size: 16, classes: 10, seed: 3 });
const names = trainables(model).trainable.map((v) => v.name);

describe('parameter groups', () => {
  test('a later group goes before an earlier one, setting by setting', () => {
    const { lrFactors, decays, frozen, groups } = groupParameters(
      model,
      [
        { pattern: 'layer1.*', lr: 0.5, decay: 0.25 },
        { pattern: '*.weight', decay: 0 },
        { pattern: 'layer1.0.conv1.weight', lr: 2, frozen: true },
      ],
      new Map([['layer1.0.conv2.weight', 0.1]]),
    );
    expect([...frozen]).toEqual(['layer1.0.conv1.weight']);
    expect(lrFactors.get('layer1.0.conv1.weight')).toBe(2);
    expect(lrFactors.get('layer1.0.conv2.weight')).toBeCloseTo(0.05, 15);
    expect(lrFactors.get('layer2.0.conv1.weight')).toBeUndefined();
    expect(decays.get('layer1.0.conv2.weight')).toBe(0);
    expect(decays.get('layer1.0.bn1.bias')).toBe(0.25);
    expect(decays.get('layer2.0.bn1.bias')).toBeUndefined();
    const layer1 = names.filter((n) => n.startsWith('layer1.'));
    expect(groups.map((g) => g.tensors)).toEqual([
      layer1.length,
      names.filter((n) => n.endsWith('.weight')).length,
      1,
    ]);
    expect(groups[2].values).toBe(16 * 16 * 9);
  });

  test('a group may be meant for one of the models of a run', () => {
    const other = buildModel('mobilenetv2', { size: 32, width: 0.25, classes: 10 });
    const pattern = trainables(other).trainable[0].name;
    expect(names).not.toContain(pattern);
    expect(() => checkGroups([{ pattern, frozen: true }], [model, other])).not.toThrow();
    expect(() => checkGroups([{ pattern, frozen: true }], [model])).toThrow(/no parameter is named/);
  });

  test('a pattern that matches nothing is refused, with what was meant', () => {
    expect(() => checkGroups([{ pattern: 'layer1.0.conv1.wieght', lr: 2 }], [model])).toThrow(
      /--group: no parameter is named 'layer1\.0\.conv1\.wieght'.*layer1\.0\.conv1\.weight/s,
    );
  });

  test('a BatchNormalization that training will put back can be named', () => {
    const folded = fuse(model, { foldBatchNorm: true }).model;
    const pattern = '*/restored_bn/scale';
    expect(() => checkGroups([{ pattern, lr: 2 }], [folded])).not.toThrow();
    expect(() => checkGroups([{ pattern, lr: 2 }], [model])).toThrow(/no parameter is named/);
  });

  test('everything frozen is refused', () => {
    expect(() => groupParameters(model, [{ pattern: '*', frozen: true }], new Map())).toThrow(
      /nothing to train/,
    );
  });
});
