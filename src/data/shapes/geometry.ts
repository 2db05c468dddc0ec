/**
 * Signed distances (negative inside) of the ten figures, each within about the unit circle, y up. Polygons and the heart
 * follow I. Quilez, "2D distance functions". Only + − × ÷ and square roots are used, which IEEE 754 fixes to the last
 * bit: the pixels made from them are the same on every machine.
 */
export type Figure = (x: number, y: number) => number;

/** cos and sin of `turns` full turns, by Taylor series: engines may differ in the last bit of Math.sin. */
export function unitVector(turns: number): readonly [number, number] {
  // Reduced to a quarter turn around zero: |angle| ≤ π/4, where nine terms reach double precision.
  const whole = Math.round(turns * 4);
  const a = (turns - whole / 4) * 6.283185307179586;
  const q = a * a;
  let c = 1;
  let s = 1;
  for (let k = 9; k >= 1; k--) {
    c = 1 - (q / ((2 * k - 1) * (2 * k))) * c;
    s = 1 - (q / (2 * k * (2 * k + 1))) * s;
  }
  s *= a;
  const quarter = ((whole % 4) + 4) % 4;
  if (quarter === 0) return [c, s];
  if (quarter === 1) return [-s, c];
  if (quarter === 2) return [-c, -s];
  return [s, -c];
}

function polygon(points: readonly (readonly [number, number])[]): Figure {
  const n = points.length;
  const px = points.map((p) => p[0]);
  const py = points.map((p) => p[1]);
  return (x, y) => {
    let best = Number.POSITIVE_INFINITY;
    let sign = 1;
    for (let i = 0, j = n - 1; i < n; j = i, i++) {
      const ex = px[j] - px[i];
      const ey = py[j] - py[i];
      const wx = x - px[i];
      const wy = y - py[i];
      let t = (wx * ex + wy * ey) / (ex * ex + ey * ey);
      t = t < 0 ? 0 : Math.min(t, 1);
      const bx = wx - ex * t;
      const by = wy - ey * t;
      const d = bx * bx + by * by;
      if (d < best) best = d;
      const above = y >= py[i];
      const below = y < py[j];
      const left = ex * wy > ey * wx;
      if ((above && below && left) || (!above && !below && !left)) sign = -sign;
    }
    return sign * Math.sqrt(best);
  };
}

function disc(cx: number, cy: number, r: number): Figure {
  return (x, y) => Math.sqrt((x - cx) * (x - cx) + (y - cy) * (y - cy)) - r;
}

/** `count` corners on the circle of `radius`, from the top. */
function corners(count: number, radius: number): (readonly [number, number])[] {
  return Array.from({ length: count }, (_, i) => {
    const [c, s] = unitVector(0.25 + i / count);
    return [radius * c, radius * s] as const;
  });
}

function star(outer: number, inner: number): Figure {
  return polygon(
    Array.from({ length: 10 }, (_, i) => {
      const [c, s] = unitVector(0.25 + i / 10);
      const r = i % 2 === 0 ? outer : inner;
      return [r * c, r * s] as const;
    }),
  );
}

function cross(long: number, half: number): Figure {
  return polygon([
    [half, long],
    [-half, long],
    [-half, half],
    [-long, half],
    [-long, -half],
    [-half, -half],
    [-half, -long],
    [half, -long],
    [half, -half],
    [long, -half],
    [long, half],
    [half, half],
  ]);
}

function heart(scale: number): Figure {
  return (px, py) => {
    const x = Math.abs(px) / scale;
    const y = py / scale + 0.55;
    let d: number;
    if (x + y > 1) d = Math.sqrt((x - 0.25) ** 2 + (y - 0.75) ** 2) - 0.35355339059327373;
    else {
      const m = 0.5 * Math.max(x + y, 0);
      const a = x * x + (y - 1) * (y - 1);
      const b = (x - m) * (x - m) + (y - m) * (y - m);
      d = Math.sqrt(Math.min(a, b));
      if (x < y) d = -d;
    }
    return d * scale;
  };
}

const outerDisc = disc(0, 0, 0.85);
const innerDisc = disc(0.42, 0, 0.72);
const middleCircle = disc(0, 0, 0.66);

/** By class index; the names are the class names. */
export const FIGURES: readonly { readonly name: string; readonly distance: Figure }[] = [
  { name: 'circle', distance: disc(0, 0, 0.8) },
  {
    name: 'square',
    distance: polygon([
      [0.72, 0.72],
      [-0.72, 0.72],
      [-0.72, -0.72],
      [0.72, -0.72],
    ]),
  },
  { name: 'triangle', distance: polygon(corners(3, 0.98)) },
  { name: 'star', distance: star(1, 0.44) },
  { name: 'cross', distance: cross(0.88, 0.3) },
  { name: 'ring', distance: (x, y) => Math.abs(middleCircle(x, y)) - 0.2 },
  { name: 'pentagon', distance: polygon(corners(5, 0.9)) },
  { name: 'crescent', distance: (x, y) => Math.max(outerDisc(x, y), -innerDisc(x, y)) },
  { name: 'heart', distance: heart(1.5) },
  {
    name: 'arrow',
    distance: polygon([
      [0, 0.95],
      [-0.7, 0.15],
      [-0.27, 0.15],
      [-0.27, -0.9],
      [0.27, -0.9],
      [0.27, 0.15],
      [0.7, 0.15],
    ]),
  },
];
