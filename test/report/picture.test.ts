import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { countModel, Graph, GraphBuilder, Model, Tensor, tensorType } from '../../src/onnx/index.js';
import { pictureHtml, writePicture } from '../../src/report/picture.js';
import { buildModel } from '../../src/zoo/index.js';
import { chromiumPath, NO_CHROMIUM, startChromium } from '../support/chromium.js';

const HOSTILE = `</script><img src=x onerror="globalThis.hacked=1"><!--'"&`;

/** A network whose every name tries to leave its place in the page. */
function hostile(): Model {
  const graph = new Graph(HOSTILE);
  const b = new GraphBuilder(graph, 17);
  const x = graph.addInput(`in ${HOSTILE}`, tensorType('float32', ['N', 4, 8, 8]));
  const w = b.constant(Tensor.float32([4, 4, 1, 1], new Float32Array(16)), `w ${HOSTILE}`);
  const y = b.op('Conv', [x, w], {}, { name: `conv ${HOSTILE}` });
  const odd = b.op('Odd', [y], { mode: HOSTILE }, { name: 'odd', domain: 'my' });
  const z = b.op('Add', [odd, y], {}, { name: 'add', outputs: [`out ${HOSTILE}`] });
  graph.addOutput(z);
  const model = new Model(graph, 17, 8);
  model.producerName = HOSTILE;
  return model;
}

test('the page is whole: nothing is fetched, and names are text', () => {
  const model = hostile();
  const html = pictureHtml(HOSTILE, model, countModel(model));
  expect(html).not.toMatch(/<img/);
  expect(html).not.toMatch(/(src|href)="?(https?:|\/\/)/);
  expect(html.match(/<\/script>/g)).toHaveLength(2);
  // An input, three layers, an output.
  expect(html.match(/<g class="node /g)).toHaveLength(5);
  expect(html).toMatch(/<dt>Total params<\/dt><dd>16<\/dd>/);
});

test('a part of a model stands between what enters it and nothing else', () => {
  const model = buildModel('resnet20', { width: 0.25 });
  const counted = countModel(model, { layers: (name) => name.startsWith('layer2.0') });
  const html = pictureHtml('part', model, counted);
  expect(html.match(/<g class="node /g)).toHaveLength(counted.layers.length + 1);
});

if (chromiumPath === undefined) console.warn(`pictures are not opened: ${NO_CHROMIUM}`);

describe.skipIf(chromiumPath === undefined)('in a browser', () => {
  const folder = mkdtempSync(join(tmpdir(), 'reparam-picture-'));
  let browser: Browser;

  beforeAll(async () => {
    browser = await startChromium();
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function open(model: Model, title: string): Promise<{ page: Page; complaints: string[] }> {
    const file = join(folder, 'picture.html');
    await writePicture(file, title, model, countModel(model));
    const page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
    page.setDefaultTimeout(60_000);
    const complaints: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (request) => {
      if (!/^(file|data):/.test(request.url())) complaints.push(`request ${request.url()}`);
    });
    await page.goto(pathToFileURL(file).href, { timeout: 120_000 });
    return { page, complaints };
  }

  const heading = (page: Page): Promise<string | null> => page.textContent('#details h2');

  test('ResNet-152: every box can be reached by keyboard and by click, and scrolls into view', async () => {
    const model = buildModel('resnet152');
    const { page, complaints } = await open(model, 'resnet152');
    const boxes = await page.locator('.node').count();
    expect(boxes).toBe(countModel(model).layers.length + 2);
    // No text runs over the edge of its box.
    const over = `[...document.querySelectorAll('.node')].filter((n) => [...n.querySelectorAll('text')].some(
      (t) => t.getBBox().x + t.getBBox().width > n.querySelector('rect').getBBox().width)).map((n) => n.ariaLabel)`;
    expect(await page.evaluate<string[]>(over)).toEqual([]);
    await page.locator('.node').first().focus();
    // What a user does with the arrow key, as many times as there are boxes.
    const seen = new Set<string>();
    for (let i = 0; i < boxes; i++) {
      seen.add(await page.evaluate<string>("document.activeElement.getAttribute('aria-label')"));
      await page.keyboard.press('ArrowDown');
    }
    expect(seen.size).toBe(boxes);
    expect(await heading(page)).toBe('logits');
    await page.keyboard.press('Home');
    expect(await heading(page)).toBe('input');
    await page.fill('#search', 'layer3.20 conv2');
    expect(await page.textContent('#found')).toBe(`1 of ${boxes}`);
    await page.press('#search', 'Enter');
    expect(await heading(page)).toBe('layer3.20.conv2');
    await expectInView(page);
    expect(await page.textContent('#details')).toMatch(/kernel_shape.*\[3, 3\]/);
    await page.click('#details .link >> nth=0');
    expect(await heading(page)).toBe('layer3.20.relu1');
    await page.click('.node.chosen');
    await page.click('#layers summary');
    await page.click('#layers button >> text="layer1.0.conv1"');
    expect(await heading(page)).toBe('layer1.0.conv1');
    await expectInView(page);
    await page.click('#in');
    await page.click('#fit');
    expect(complaints).toEqual([]);
    await page.close();
  }, 300_000);

  test('names from a file run nothing', async () => {
    const { page, complaints } = await open(hostile(), HOSTILE);
    expect(await page.title()).toBe(HOSTILE);
    for (let i = 0; i < 5; i++) await page.locator('.node').nth(i).click();
    await page.fill('#search', HOSTILE);
    expect(await page.evaluate<unknown>('globalThis.hacked')).toBeUndefined();
    expect(await page.locator('img').count()).toBe(0);
    expect(complaints).toEqual([]);
    await page.close();
  }, 200_000);

  async function expectInView(page: Page): Promise<void> {
    const box = await page.locator('.node.chosen').boundingBox();
    expect(box?.y).toBeGreaterThanOrEqual(0);
    expect((box?.y ?? 0) + (box?.height ?? 0)).toBeLessThanOrEqual(800);
  }
});
