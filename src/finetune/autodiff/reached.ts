import { UnsupportedError } from '../../base/errors.js';
import type { Value } from '../../onnx/index.js';

/** How many tensors a message names. */
const NAMED = 5;

/** @throws UnsupportedError naming the wanted values that the loss does not depend on, and what reads them */
export function checkReached(wanted: readonly Value[], reached: (v: Value) => boolean): void {
  const missing = wanted.filter((v) => !reached(v));
  if (missing.length === 0) return;
  const named = missing.slice(0, NAMED).map(withReader);
  throw new UnsupportedError({
    problem: `the loss does not depend on ${missing.length} trainable tensor${missing.length > 1 ? 's' : ''}: ${named.join(', ')}${missing.length > NAMED ? ', …' : ''}`,
    expected: 'every trainable tensor on a path of differentiable operators to the loss',
    hint: 'remove the unused layers, or exclude them from training',
  });
}

function withReader(v: Value): string {
  const [use] = v.uses;
  return use ? `'${v.name}' of ${use.node.describe()}` : `'${v.name}', which nothing reads`;
}
