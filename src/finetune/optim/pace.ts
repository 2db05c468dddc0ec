import type { GraphBuilder, Value } from '../../onnx/index.js';

/** How quickly running values of an update move. Every one of them goes through here. */
export interface Pace {
  /** keep·before + add·value, before the step and after it. */
  blend(before: Value, keep: number, value: Value, add: number): Value;
}

/** Each step updates. */
export function everyStep(b: GraphBuilder): Pace {
  return {
    blend: (before, keep, value, add) =>
      b.op('Add', [b.op('Mul', [before, b.f32(keep)]), add === 1 ? value : b.op('Mul', [value, b.f32(add)])]),
  };
}
