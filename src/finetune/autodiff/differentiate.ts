import { UnsupportedError } from '../../base/errors.js';
import type { GraphBuilder, Node, Value } from '../../onnx/index.js';
import { isInternal } from './internal.js';
import type { GradientContext, GradientRule } from './rule.js';
import { sumTo } from './rules/sums.js';
import { CONSTANT_OPS, GRADIENT_RULES, INTERNAL_GRADIENT_RULES } from './table.js';

/**
 * Reverse-mode differentiation over the IR: emits, at the end of the graph, the gradient of a scalar by each wanted value.
 *
 * The walker finds what lies between the wanted values and the seeds, calls one rule per node in reverse order, adds the
 * gradients of a value with several readers, sums broadcast axes, and checks each gradient's shape and dtype.
 *
 * @param seeds gradients of the scalar by some values, e.g. d loss / d logits
 * @param wanted float values with static shapes
 * @throws UnsupportedError naming the node, before anything runs, when an operator on the way has no gradient rule, or
 *   when a wanted value does not reach a seed
 */
export function differentiate(
  b: GraphBuilder,
  seeds: ReadonlyMap<Value, Value>,
  wanted: readonly Value[],
): Map<Value, Value> {
  const forward = [...b.graph.nodes];
  const active = reachableFrom(forward, wanted);
  const gradients = new Map<Value, Value>();
  for (const [value, gradient] of seeds) accumulate(b, gradients, value, gradient);
  for (let i = forward.length - 1; i >= 0; i--) {
    const node = forward[i];
    if (!node.inputs.some((v) => v && active.has(v))) continue;
    const dy = gradients.get(node.outputs[0]);
    const second = node.outputs.findIndex((o, k) => k > 0 && gradients.has(o));
    if (second > 0)
      throw refuse(
        node,
        `its output '${node.outputs[second].name}' is on the way to the loss, and has no rule`,
      );
    if (!dy) continue;
    const rule = ruleOf(node);
    if (!rule) continue;
    const context: GradientContext = {
      b,
      node,
      dy,
      needs: (index) => {
        const v = node.inputs[index];
        return v !== undefined && active.has(v);
      },
      shape: (v) => shapeOf(node, v),
    };
    const results = b.scope(`${node.name || node.outputs[0].name}_grad`, () => rule(context));
    results.forEach((gradient, index) => {
      const input = node.inputs[index];
      if (!gradient || !input || !active.has(input)) return;
      const to = shapeOf(node, input);
      const reduced = sumTo(b, gradient, shapeOf(node, gradient), to);
      checkGradient(node, input, reduced, to);
      accumulate(b, gradients, input, reduced);
    });
  }
  const missing = wanted.filter((v) => !gradients.has(v));
  if (missing.length > 0)
    throw new UnsupportedError({
      problem: `the loss does not depend on ${missing.length} trainable tensor${missing.length > 1 ? 's' : ''}: ${missing
        .slice(0, 5)
        .map((v) => `'${v.name}'`)
        .join(', ')}${missing.length > 5 ? ', …' : ''}`,
      expected: 'every trainable tensor on a path to the loss',
      hint: 'remove the unused layers, or exclude them from training',
    });
  return gradients;
}

/** Float values that depend on a wanted one. */
function reachableFrom(nodes: readonly Node[], wanted: readonly Value[]): Set<Value> {
  const active = new Set(wanted);
  for (const node of nodes) {
    if (!isInternal(node) && CONSTANT_OPS.has(node.opType)) continue;
    if (!node.inputs.some((v) => v && active.has(v))) continue;
    for (const o of node.outputs)
      if (o.type?.kind !== 'tensor' || o.type.dataType.startsWith('float')) active.add(o);
  }
  return active;
}

function ruleOf(node: Node): GradientRule | undefined {
  if (isInternal(node)) return INTERNAL_GRADIENT_RULES.get(node.opType);
  if (node.domain === '' && CONSTANT_OPS.has(node.opType)) return undefined;
  const rule = node.domain === '' ? GRADIENT_RULES.get(node.opType) : undefined;
  if (!rule) throw refuse(node, 'no gradient rule for this operator');
  return rule;
}

function refuse(node: Node, why: string): UnsupportedError {
  return new UnsupportedError({
    problem: `cannot train through ${node.describe()}: ${why}`,
    hint: `operators with a gradient: ${[...GRADIENT_RULES.keys()].join(', ')}`,
  });
}

function shapeOf(node: Node, value: Value): readonly number[] {
  const shape = value.shape;
  if (!shape)
    throw new UnsupportedError({
      problem: `${node.describe()}: the shape of '${value.name}' is not known`,
      expected: 'static dims after the batch and image size are fixed',
      hint: 'give the image size, or export the model with fixed shapes',
    });
  return shape;
}

function accumulate(b: GraphBuilder, gradients: Map<Value, Value>, value: Value, gradient: Value): void {
  const before = gradients.get(value);
  gradients.set(
    value,
    before ? b.op('Add', [before, gradient], {}, { name: `${value.name}_grad/sum` }) : gradient,
  );
}

function checkGradient(node: Node, input: Value, gradient: Value, expected: readonly number[]): void {
  const got = gradient.shape;
  if (!got || got.length !== expected.length || got.some((d, i) => d !== expected[i]))
    throw new Error(
      `gradient of '${input.name}' from ${node.describe()} has shape [${got}], expected [${expected}]`,
    );
  const [a, b] = [input.type, gradient.type];
  if (a?.kind === 'tensor' && b?.kind === 'tensor' && a.dataType !== b.dataType)
    throw new Error(
      `gradient of '${input.name}' from ${node.describe()} is ${b.dataType}, expected ${a.dataType}`,
    );
}
