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
