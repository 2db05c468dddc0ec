/**
 * A layered drawing of a graph, top to bottom (Sugiyama et al. 1981): a node stands one rank below the lowest node it
 * reads. What is read further down runs through the ranks between in a lane; all readers of a node share one lane, so
 * that a DenseNet, where everything reads everything before it, needs a lane for each layer and not for each edge.
 *
 * Order within a rank: by the mean position of the neighbours. Position: as close to the neighbours' as the boxes allow, by
 * isotonic regression, so that paths and lanes run straight.
 */
import { ranksOf, type Slot } from './ranks.js';
import { spread } from './spread.js';

export interface Box {
  /** Indices of the nodes that this one reads; each is less than its own. */
  readonly sources: readonly number[];
}

export interface Drawing {
  readonly width: number;
  readonly height: number;
  /** Upper left corners of the boxes. */
  readonly places: readonly { readonly x: number; readonly y: number }[];
  /** SVG path data from each node to all of its readers; empty where it has none. */
  readonly paths: readonly string[];
}

/** Pixels. */
export const BOX = { width: 264, height: 56 } as const;
const LANE_WIDTH = 4;
const GAP = { across: 22, down: 26, margin: 24 } as const;
const ORDER_SWEEPS = 8;
const POSITION_SWEEPS = 16;

/** Draws a graph whose nodes stand in a topological order. */
export function drawGraph(boxes: readonly Box[]): Drawing {
  const ranks = ranksOf(boxes);
  for (let sweep = 0; sweep < ORDER_SWEEPS; sweep++) orderRanks(ranks, sweep % 2 === 0);
  placeRanks(ranks);
  const slots = ranks.flat();
  const left = Math.min(0, ...slots.map((s) => s.x - widthOf(s) / 2));
  for (const slot of slots) slot.x = Math.round(slot.x - left + GAP.margin);
  const places = boxes.map(() => ({ x: 0, y: 0 }));
  const paths = boxes.map(() => '');
  for (const slot of slots) {
    if (slot.isLane) continue;
    places[slot.node] = { x: slot.x - BOX.width / 2, y: top(slot) };
    paths[slot.node] = pathFrom(slot);
  }
  return {
    width: Math.max(0, ...slots.map((s) => s.x + widthOf(s) / 2)) + GAP.margin,
    height: 2 * GAP.margin + ranks.length * (BOX.height + GAP.down) - GAP.down,
    places,
    paths,
  };
}

function widthOf(slot: Slot): number {
  return slot.isLane ? LANE_WIDTH : BOX.width;
}

function top(slot: Slot): number {
  return GAP.margin + slot.rank * (BOX.height + GAP.down);
}

function orderRanks(ranks: Slot[][], down: boolean): void {
  const order = down ? ranks : ranks.toReversed();
  for (const rank of order) {
    const key = new Map(
      rank.map((slot) => {
        const near = down ? slot.above : slot.below;
        const mean = near.reduce((sum, n) => sum + n.order, 0) / near.length;
        return [slot, near.length === 0 ? slot.order : mean] as const;
      }),
    );
    rank.sort((a, b) => (key.get(a) ?? 0) - (key.get(b) ?? 0));
    // Fractions of the rank, so that ranks of different lengths compare.
    for (const [i, slot] of rank.entries()) slot.order = (i + 0.5) / rank.length;
  }
}

function placeRanks(ranks: readonly (readonly Slot[])[]): void {
  for (const rank of ranks) spread(rank, distance, weightOf);
  for (let sweep = 0; sweep < POSITION_SWEEPS; sweep++) {
    const down = sweep % 2 === 0;
    for (const rank of down ? ranks : ranks.toReversed()) {
      for (const slot of rank) {
        const near = closest(slot, down ? slot.above : slot.below);
        if (near.length > 0) slot.x = near.reduce((sum, n) => sum + n.x, 0) / near.length;
      }
      spread(rank, distance, weightOf);
    }
  }
}

function distance(a: Slot, b: Slot): number {
  return (widthOf(a) + widthOf(b)) / 2 + GAP.across;
}

/** A lane makes way for a box, so that the main path stays straight. */
function weightOf(slot: Slot): number {
  return slot.isLane ? 1 : 1e6;
}

/** A lane goes straight on, and a node stands in line with nodes before it stands in line with lanes. */
function closest(slot: Slot, near: readonly Slot[]): readonly Slot[] {
  const lanes = near.filter((n) => n.isLane);
  const nodes = near.filter((n) => !n.isLane);
  const first = slot.isLane ? lanes : nodes;
  return first.length > 0 ? first : near;
}

/** From the box down its lane, with a branch to each reader. */
function pathFrom(node: Slot): string {
  const parts: string[] = [];
  for (let slot: Slot | undefined = node; slot; ) {
    const { x } = slot;
    const bottom = top(slot) + BOX.height;
    let next: Slot | undefined;
    for (const below of slot.below) {
      const reach = below.isLane ? `V${top(below) + BOX.height}` : '';
      parts.push(`M${x} ${bottom}${bend(x, bottom, below.x, top(below))}${reach}`);
      if (below.isLane) next = below;
    }
    slot = next;
  }
  return parts.join('');
}

function bend(x: number, y: number, toX: number, toY: number): string {
  const middle = (y + toY) / 2;
  return x === toX ? `V${toY}` : `C${x} ${middle} ${toX} ${middle} ${toX} ${toY}`;
}
