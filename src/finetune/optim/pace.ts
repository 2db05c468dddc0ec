import type { GraphBuilder, Value } from '../../onnx/index.js';

/**
 * Whether a step updates, as every change of an optimizer's state sees it. In a step that only accumulates gradients,
 * coefficients become 1 and 0, so that nothing changes by a single bit and no pass over a tensor is added.
 */
export interface Pace {
  /** keep·before + add·value where the step updates, else `before`. */
  blend(before: Value, keep: number | Value, value: Value, add: number | Value): Value;
  /** `after` where the step updates, else `before`; scalars. */
  choose(before: Value, after: Value): Value;
  /** The value where the step updates, else 0. */
  only(value: Value): Value;
}

/** Each step updates. */
export function everyStep(b: GraphBuilder): Pace {
  return {
    blend: (before, keep, value, add) =>
      b.op('Add', [
        b.op('Mul', [before, typeof keep === 'number' ? b.f32(keep) : keep]),
        add === 1 ? value : b.op('Mul', [value, typeof add === 'number' ? b.f32(add) : add]),
      ]),
    choose: (_, after) => after,
    only: (value) => value,
  };
}

/** A step updates where the scalar `now` (bool) says so. */
export function someSteps(b: GraphBuilder, now: Value): Pace {
  const made = new Map<string, Value>();
  const once = (key: string, make: () => Value): Value => {
    const value = made.get(key) ?? make();
    made.set(key, value);
    return value;
  };
  const choose = (before: Value, after: Value): Value => b.op('Where', [now, after, before]);
  const valued = (n: number | Value, key: string, otherwise: number): Value =>
    once(`${key} ${typeof n === 'number' ? n : n.name}`, () =>
      choose(b.f32(otherwise), typeof n === 'number' ? b.f32(n) : n),
    );
  return {
    blend: (before, keep, value, add) =>
      b.op('Add', [
        b.op('Mul', [before, valued(keep, 'keep', 1)]),
        b.op('Mul', [value, valued(add, 'add', 0)]),
      ]),
    choose,
    only: (value) => b.op('Mul', [value, valued(1, 'add', 0)]),
  };
}
