import type { GraphBuilder, Value } from '../../../onnx/index.js';

const FLOAT = 1;

/** 1 where the condition holds, else 0. (Products with it run faster on CPUs than Where, which broadcasts three ways.) */
export function indicator(b: GraphBuilder, condition: Value): Value {
  return b.op('Cast', [condition], { to: FLOAT });
}

/** 1 where v > 0, else 0. */
export function positive(b: GraphBuilder, v: Value): Value {
  return indicator(b, b.op('Greater', [v, b.f32(0)]));
}
