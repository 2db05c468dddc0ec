/**
 * 16-bit floats. float16 (IEEE binary16): 1 sign, 5 exponent (bias 15), 10 fraction bits. bfloat16: the upper half of
 * a float32. A real number is rounded once, to the nearest value, ties to the even one, from the double itself: going
 * through float32 first would round twice.
 */

const F16_MAX = 65504;
/** Halfway between the largest float16 and the next power of two: from here on a value rounds to infinity. */
const F16_OVERFLOW = 65520;

/** The value of float16 bits. */
export function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The nearest float16 value, as a number. */
export function roundToFloat16(value: number): number {
  const size = Math.abs(value);
  if (!(size < F16_OVERFLOW))
    return Number.isNaN(value) ? value : Math.sign(value) * Number.POSITIVE_INFINITY;
  const step = 2 ** Math.max(exponentOf(size) - 10, -24);
  return Math.sign(value) * Math.min(roundHalfEven(size / step) * step, F16_MAX) || value * 0;
}

/** The bits of the nearest float16. */
export function numberToFloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const rounded = roundToFloat16(value);
  const sign = rounded < 0 || Object.is(rounded, -0) ? 0x8000 : 0;
  const size = Math.abs(rounded);
  if (size === Number.POSITIVE_INFINITY) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | (size * 2 ** 24);
  const exponent = exponentOf(size);
  return sign | ((exponent + 15) << 10) | (size * 2 ** (10 - exponent) - 1024);
}

const word = new DataView(new ArrayBuffer(8));

/** The value of bfloat16 bits. */
export function bfloat16ToNumber(bits: number): number {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
}

/** The nearest bfloat16 value, as a number. */
export function roundToBfloat16(value: number): number {
  const size = Math.abs(value);
  if (!(size > 0 && size < Number.POSITIVE_INFINITY)) return value;
  const step = 2 ** Math.max(exponentOf(size) - 7, -133);
  const rounded = roundHalfEven(size / step) * step;
  const finite = rounded >= 2 ** 128 ? Number.POSITIVE_INFINITY : rounded;
  return value < 0 ? -finite : finite;
}

/** The bits of the nearest bfloat16. */
export function numberToBfloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  word.setFloat32(0, roundToBfloat16(value));
  return word.getUint16(0);
}

/** Nearest integer, ties to even (ONNX Round). */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest === 0) return value;
  if (rest !== 0.5) return rest < 0.5 ? below || value * 0 : Math.ceil(value);
  const even = below % 2 === 0 ? below : below + 1;
  return even === 0 && value < 0 ? -0 : even;
}

/** ⌊log₂ size⌋ of a positive finite double, read from its bits: Math.log2 may be off by one at powers of two. */
function exponentOf(size: number): number {
  if (size === 0) return -1074;
  word.setFloat64(0, size);
  const biased = (word.getUint16(0) >> 4) & 0x7ff;
  return biased === 0 ? -1023 : biased - 1023;
}
