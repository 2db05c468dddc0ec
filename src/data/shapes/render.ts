import { type Random, randomFor } from '../../base/random.js';
import { FIGURES, type Figure, unitVector } from './geometry.js';

/**
 * One picture of the built-in set: a figure of random place, size, tilt, stretch and colour on a darker background of a
 * colour gradient, a stripe pattern and coarse and fine noise, with strokes and specks around it and sometimes a bar
 * across it. The ranges are chosen so that small networks reach about 90 % in ten epochs (a ResNet-8 and a MobileNetV2 of
 * width 0.25 did, in PyTorch); with figures of any turn, darker or lighter than the ground, they learn nothing in ten.
 * Edges are anti-aliased by coverage: clamp(1/2 − distance in pixels).
 */
type Colour = readonly [number, number, number];

interface Stamp {
  readonly distance: Figure;
  readonly x: number;
  readonly y: number;
  /** Pixels per unit of the figure. */
  readonly radius: number;
  /** Turn, and stretch along the turned axes. */
  readonly turns: number;
  readonly stretch: number;
  readonly from: Colour;
  readonly to: Colour;
}

const between = (r: Random, low: number, high: number): number => low + (high - low) * r.next();
const anyColour = (r: Random): Colour => [255 * r.next(), 255 * r.next(), 255 * r.next()];
const luma = (c: Colour): number => 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2];
const mixed = (a: Colour, b: Colour, t: number): Colour => [
  a[0] + (b[0] - a[0]) * t,
  a[1] + (b[1] - a[1]) * t,
  a[2] + (b[2] - a[2]) * t,
];

/** A colour whose luma is at least `contrast` above `other`'s. */
function lighter(r: Random, other: Colour, contrast: number): Colour {
  const c = anyColour(r);
  const lift = luma(other) + contrast - luma(c);
  return lift <= 0 ? c : [c[0] + lift, c[1] + lift, c[2] + lift];
}

/** Paints a figure over float RGB `pixels` of a `size`² picture. */
function paint(pixels: Float64Array, size: number, stamp: Stamp): void {
  const { x: cx, y: cy, radius, stretch, distance, from, to } = stamp;
  const [c, s] = unitVector(stamp.turns);
  const wide = radius * stretch;
  const high = radius / stretch;
  const smaller = Math.min(wide, high);
  // No figure reaches farther than 1.05 of its unit, apart from the square's corners at 1.02.
  const reach = Math.max(wide, high) * 1.06 + 1;
  const x0 = Math.max(0, Math.floor(cx - reach));
  const x1 = Math.min(size - 1, Math.ceil(cx + reach));
  const y0 = Math.max(0, Math.floor(cy - reach));
  const y1 = Math.min(size - 1, Math.ceil(cy + reach));
  for (let y = y0; y <= y1; y++)
    for (let x = x0; x <= x1; x++) {
      const dx = x + 0.5 - cx;
      const dy = cy - y - 0.5;
      const u = (c * dx + s * dy) / wide;
      const v = (c * dy - s * dx) / high;
      const cover = 0.5 - distance(u, v) * smaller;
      if (cover <= 0) continue;
      const a = Math.min(cover, 1);
      const t = v < -1 ? 0 : v > 1 ? 1 : (v + 1) / 2;
      const at = (y * size + x) * 3;
      for (let k = 0; k < 3; k++) pixels[at + k] += a * (from[k] + (to[k] - from[k]) * t - pixels[at + k]);
    }
}

const BAR: Figure = (x, y) => Math.max(Math.abs(x) - 1, Math.abs(y) - 1);
const SPECK = FIGURES[0].distance;

function background(pixels: Float64Array, size: number, r: Random, base: Colour, roughness: number): void {
  const other = mixed(base, anyColour(r), 0.35);
  const [gx, gy] = unitVector(r.next());
  const [sx, sy] = unitVector(r.next());
  const stripes = r.next() < 0.5 ? between(r, 4, 26) * roughness : 0;
  const period = between(r, 0.12, 0.4) * size;
  const cell = size / 4;
  // Coarse noise: a 6 × 6 lattice, bilinear between its points.
  const lattice = Float64Array.from({ length: 36 }, () => (r.next() - 0.5) * 60 * roughness);
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      const t = 0.5 + (gx * (x - size / 2) + gy * (y - size / 2)) / (1.5 * size);
      const phase = (sx * x + sy * y) / period;
      const wave = stripes * (4 * Math.abs(phase - Math.floor(phase) - 0.5) - 1);
      const fx = x / cell;
      const fy = y / cell;
      const ix = Math.floor(fx);
      const iy = Math.floor(fy);
      const tx = fx - ix;
      const ty = fy - iy;
      const l = iy * 6 + ix;
      const coarse =
        (lattice[l] * (1 - tx) + lattice[l + 1] * tx) * (1 - ty) +
        (lattice[l + 6] * (1 - tx) + lattice[l + 7] * tx) * ty;
      const at = (y * size + x) * 3;
      for (let k = 0; k < 3; k++) pixels[at + k] = base[k] + (other[k] - base[k]) * t + wave + coarse;
    }
}

/**
 * Writes picture `index` of a stream into `out` (size² × 3 bytes, HWC) and returns its class.
 * @param stream what the picture depends on besides its index (seed and part)
 */
export function renderShape(
  size: number,
  stream: readonly (number | string)[],
  index: number,
  out: Uint8Array,
  scratch: Float64Array,
): number {
  const r = randomFor('shapes', ...stream, index);
  const label = index % FIGURES.length;
  const base = mixed([0, 0, 0], anyColour(r), 0.6);
  const roughness = 0.6 * r.next();
  background(scratch, size, r, base, roughness);

  const radius = size * between(r, 0.2, 0.42);
  const room = Math.max(0, size / 2 - radius);
  const x = size / 2 + room * between(r, -1, 1);
  const y = size / 2 + room * between(r, -1, 1);
  const strokes = r.int(4);
  for (let i = 0; i < strokes; i++)
    paint(scratch, size, {
      distance: BAR,
      x: size * r.next(),
      y: size * r.next(),
      radius: size * between(r, 0.05, 0.11),
      turns: r.next(),
      stretch: between(r, 1.5, 3),
      from: anyColour(r),
      to: anyColour(r),
    });
  const fill = lighter(r, base, between(r, 35, 95));
  paint(scratch, size, {
    distance: FIGURES[label].distance,
    x,
    y,
    radius,
    turns: between(r, -0.1, 0.1),
    stretch: between(r, 0.87, 1.15),
    from: fill,
    to: mixed(fill, anyColour(r), 0.25 * r.next()),
  });
  // A bar across the figure, off its centre.
  if (r.next() < 0.3) {
    const [dx, dy] = unitVector(r.next());
    const away = radius * between(r, 0.3, 0.9);
    paint(scratch, size, {
      distance: BAR,
      x: x + dx * away,
      y: y + dy * away,
      radius: radius * between(r, 0.3, 0.45),
      turns: r.next(),
      stretch: between(r, 1.5, 2.4),
      from: mixed(base, anyColour(r), 0.5),
      to: base,
    });
  }
  const specks = r.int(4);
  for (let i = 0; i < specks; i++)
    paint(scratch, size, {
      distance: SPECK,
      x: size * r.next(),
      y: size * r.next(),
      radius: size * between(r, 0.02, 0.06),
      turns: 0,
      stretch: 1,
      from: anyColour(r),
      to: anyColour(r),
    });
  const noise = between(r, 2, 30);
  for (let i = 0; i < out.length; i++) {
    // The sum of two uniforms: a triangular density, close enough to a normal one.
    const v = scratch[i] + noise * (r.next() + r.next() - 1) * 1.7 + 0.5;
    out[i] = v <= 0 ? 0 : Math.min(v, 255);
  }
  return label;
}
