/** Gradients through kinks as a mask times dY: 1 inside, 0 on the kink and beyond. */
import type { GraphBuilder, Value } from '../../../onnx/index.js';
import type { LoweringContext } from '../rule.js';

const FLOAT = 1;

function masked(b: GraphBuilder, dy: Value, mask: Value): Value {
  return b.op('Mul', [dy, b.op('Cast', [mask], { to: FLOAT })]);
}

export function reluGrad({ b, node }: LoweringContext): readonly Value[] {
  return [masked(b, node.input(0), b.op('Greater', [node.input(1), b.f32(0)]))];
}

export function clipGrad({ b, node }: LoweringContext): readonly Value[] {
  const [dy, y] = [node.input(0), node.input(1)];
  const conditions: Value[] = [];
  if (node.attributes.has('min')) conditions.push(b.op('Greater', [y, b.f32(node.float('min', 0))]));
  if (node.attributes.has('max')) conditions.push(b.op('Less', [y, b.f32(node.float('max', 0))]));
  if (conditions.length === 0) return [dy];
  return [masked(b, dy, conditions.length === 2 ? b.op('And', conditions) : conditions[0])];
}

/** dY·(h + (h − 1/2)·[0 < h < 1]), h = HardSigmoid(X): X/3 + 1/2 = 2h − 1/2 inside. */
export function hardSwishGrad({ b, node }: LoweringContext): readonly Value[] {
  const [dy, x] = [node.input(0), node.input(1)];
  const h = b.op('HardSigmoid', [x], { alpha: { float: 1 / 6 }, beta: { float: 0.5 } });
  const inside = b.op('And', [b.op('Greater', [h, b.f32(0)]), b.op('Less', [h, b.f32(1)])]);
  const more = masked(b, b.op('Sub', [h, b.f32(0.5)]), inside);
  return [b.op('Mul', [dy, b.op('Add', [h, more])])];
}
