/** Math.min and Math.max for bigints. */
export function bigMin(a: bigint, b: bigint): bigint {
  if (b < a) return b;
  return a;
}

export function bigMax(a: bigint, b: bigint): bigint {
  if (b > a) return b;
  return a;
}
