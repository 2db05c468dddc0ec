import { describe, expect, test } from 'vitest';
import { BOX, type Box, drawGraph } from '../../src/report/picture/layout.js';
import { spread } from '../../src/report/picture/spread.js';

/** `[[], [0], [0, 1]]`: what each box reads. */
const boxes = (...sources: (readonly number[])[]): Box[] => sources.map((s) => ({ sources: s }));

/** Boxes of one rank must not touch; a box stands below what it reads. */
function expectSound(graph: readonly Box[]): void {
  const { places, width, height } = drawGraph(graph);
  const rows = new Map<number, number[]>();
  for (const { x, y } of places) rows.set(y, [...(rows.get(y) ?? []), x]);
  for (const row of rows.values()) {
    row.sort((a, b) => a - b);
    for (let i = 1; i < row.length; i++) expect(row[i] - row[i - 1]).toBeGreaterThan(BOX.width);
  }
  for (const [i, { sources }] of graph.entries())
    for (const s of sources) expect(places[i].y).toBeGreaterThanOrEqual(places[s].y + BOX.height);
  for (const { x, y } of places) {
    expect(x).toBeGreaterThanOrEqual(0);
    expect(y).toBeGreaterThanOrEqual(0);
    expect(x + BOX.width).toBeLessThanOrEqual(width);
    expect(y + BOX.height).toBeLessThanOrEqual(height);
  }
}

describe('drawGraph', () => {
  test('a chain is one straight column', () => {
    const graph = boxes([], [0], [1], [2]);
    const { places, paths } = drawGraph(graph);
    expect(new Set(places.map((p) => p.x)).size).toBe(1);
    expect(paths[0]).toMatch(/^M\d+ \d+V\d+$/);
    expect(paths[3]).toBe('');
    expectSound(graph);
  });

  test('a residual block: the main path stays straight, the shortcut runs beside it', () => {
    const graph = boxes([], [0], [1], [2, 0], [3], [4, 3]);
    const { places, paths } = drawGraph(graph);
    expect(new Set(places.map((p) => p.x)).size).toBe(1);
    // To the next box; into the lane, on, and out of it.
    expect(paths[0].match(/M/g)).toHaveLength(4);
    expect(paths[0].match(/C/g)).toHaveLength(2);
    expectSound(graph);
  });

  test('branches stand side by side', () => {
    const graph = boxes([], [0], [0], [0], [0], [1, 2, 3, 4]);
    expectSound(graph);
    expect(new Set(drawGraph(graph).places.map((p) => p.y)).size).toBe(3);
  });

  test('where everything reads everything before it, all readers of a box share its lane', () => {
    const graph = Array.from({ length: 60 }, (_, i) => ({ sources: Array.from({ length: i }, (_, s) => s) }));
    expectSound(graph);
    const { paths } = drawGraph(graph);
    // One piece of lane in each rank between, and one branch to each reader.
    for (const [i, path] of paths.entries())
      expect(path.match(/M/g) ?? []).toHaveLength(i === 59 ? 0 : 59 - i + Math.max(0, 58 - i));
  });

  test('nothing, and what hangs together with nothing', () => {
    expect(drawGraph([]).places).toEqual([]);
    expectSound(boxes([], [], [1]));
  });
});

test('spread: least movement that keeps the distances', () => {
  const row = [0, 1, 10].map((x) => ({ x }));
  const one = (): number => 1;
  spread(row, () => 3, one);
  expect(row.map((r) => r.x)).toEqual([-1, 2, 10]);
  spread(row, () => 3, one);
  expect(row.map((r) => r.x)).toEqual([-1, 2, 10]);
  // Of two in one place the heavier moves less.
  const pair = [0, 0].map((x, i) => ({ x, weight: i === 0 ? 3 : 1 }));
  spread(
    pair,
    () => 4,
    (item) => item.weight,
  );
  expect(pair.map((r) => r.x)).toEqual([-1, 3]);
});
