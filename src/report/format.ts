/** How numbers read in reports. `–` stands for what does not apply. */

export const NONE = '–';

/** 0.91732 → `91.73 %`. */
export function percent(fraction: number | null): string {
  return fraction === null ? NONE : `${(100 * fraction).toFixed(2)} %`;
}

/** 3504889 → `3,504,889`. */
export function count(n: number): string {
  return n.toLocaleString('en-US', { maximumFractionDigits: 0 });
}

/** 301234567 → `301.2 M`. */
export function short(n: number): string {
  for (const [unit, size] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const)
    if (Math.abs(n) >= size) return `${(n / size).toFixed(n / size >= 100 ? 1 : 2)} ${unit}`;
  return String(n);
}

/** Bytes: 598177920 → `598.18 MB`, of 10⁶ bytes. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })} MB`;
}

/** 0.00000123 → `1.2e-6`; 0 → `0`. */
export function small(x: number): string {
  return x === 0 ? '0' : x.toExponential(1);
}

/** 3723 → `1 h 02 min`, 62 → `1 min 02 s`, 9.4 → `9 s`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return NONE;
  const s = Math.max(0, Math.round(seconds));
  const two = (n: number): string => String(n).padStart(2, '0');
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
}
