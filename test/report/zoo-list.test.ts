import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { networkJson, printsAs, zooListText } from '../../src/report/zoo-list.js';
import { findEntry, weightSources, type ZooEntry, zooCounts } from '../../src/zoo/index.js';

const folder = mkdtempSync(join(tmpdir(), 'reparam-counts-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const listed = (entry: ZooEntry, assets?: string) => {
  const counts = zooCounts([entry], assets).get(entry);
  if (!counts) throw new Error('not counted');
  return { entry, counts, weights: weightSources(entry.name), trainedOn: undefined };
};

test('a network is counted where no count is written down, and a damaged file is said', () => {
  const entry = findEntry('resnet20');
  expect(existsSync(join(folder, 'zoo'))).toBe(false);
  const exact = { parameters: 269_722, unusedParameters: 0, multAdds: 40_551_040 };
  expect(zooCounts([entry], folder).get(entry)).toEqual(exact);
  mkdirSync(join(folder, 'zoo'));
  writeFileSync(join(folder, 'zoo', 'counts.json'), '{"resnet20": {"parameters": "many"}}');
  expect(() => zooCounts([entry], folder)).toThrow(/counts\.json is damaged/);
});

test('exact counts, published figures that differ, top-1 with its source, and where weights are', () => {
  const resnet = listed(findEntry('resnet50'), folder.replace(/$/, '-none'));
  const text = zooListText([resnet]);
  expect(text).toMatch(
    /^resnet50 +224² +1000 +25,557,032 +4\.09 G +80\.86 +torchvision [\d.]+, IMAGENET1K_V2 +torchvision, timm/m,
  );
  expect(networkJson(resnet)).toMatchObject({
    name: 'resnet50',
    parameters: 25_557_032,
    multAdds: 4_089_184_256,
    publishedMultAddsM: 4089,
    top1: { source: expect.stringContaining('torchvision') },
  });
  const other = { ...resnet, counts: { ...resnet.counts, multAdds: 4_300_000_000 } };
  expect(zooListText([other])).toContain('4089 M mult-adds');
});

test('a figure for other options, or counted otherwise, is not held against the counts', () => {
  // torchvision's is at 288 pixels, the paper's without the classifier.
  const text = zooListText([listed(findEntry('efficientnetb2')), listed(findEntry('shufflenetv1g4'))]);
  expect(text).not.toMatch(/1088|133 M/);
  expect(text.split('\n')[0]).not.toContain('published');
  expect(networkJson(listed(findEntry('efficientnetb2')))).toMatchObject({ publishedMultAddsM: null });
});

test('top-1 of the paper where nobody publishes weights; weights that come with the package', () => {
  const resnet = { ...listed(findEntry('resnet20')), trainedOn: 'shapes' };
  const text = zooListText([resnet]);
  expect(text).toMatch(
    / 91\.25 +He et al\. 2015, arXiv:1512\.03385, table 6, CIFAR-10 +built in \(shapes\) /,
  );
  expect(networkJson(resnet)).toMatchObject({ top1: { percent: 91.25 }, weights: [], trainedOn: 'shapes' });
});

test.each([
  [25.557032, 25.6, true],
  [25.557032, 25.5, true],
  [25.557032, 25.4, false],
  [3857.97, 3800, false],
])('%d prints as %d: %s', (exact, figure, expected) => {
  expect(printsAs(exact, figure)).toBe(expected);
});

test('zeros that are no digits', () => {
  expect(printsAs(3663.76, 3600, 100)).toBe(true);
});
