/**
 * Another batch size for a graph whose constants were made for one (Reshape targets, Expand shapes, scatter indices, …).
 *
 * Every value must be *batch-major along one axis*: growing the batch from B to n turns exactly one of its dims d, which
 * is a multiple of B, into d·n/B, or none. Node by node, in order: constants that stand for the old batch are rewritten by
 * a rule of the operator (rebatch-rules.ts), the output shapes are inferred anew, and compared with the old ones. What
 * shapes cannot show (an operator that mixes the samples) is found by running both graphs (rebatch-check.ts).
 */
import { ModelError, UnsupportedError } from '../../base/errors.js';
import { inferNode, type Model, type Node, readsOf, type Value } from '../../onnx/index.js';
import { type InputPlan, label, setInputs } from './input-shapes.js';
import { isRandom } from './random-ops.js';
import { Rebatch } from './rebatch-context.js';
import { randomSource, ruleOf } from './rebatch-rules.js';

/**
 * Rewrites the graph in place. It must be specialized to the old batch: all shapes static, shape arithmetic folded.
 * @returns what was rewritten, in words
 * @throws UnsupportedError naming the node that cannot follow
 */
export function rebatch(model: Model, plan: readonly InputPlan[]): string[] {
  const { from, to } = ratio(model, plan);
  const context = new Rebatch(model, from, to);
  setInputs(plan, 'after');
  for (const node of [...model.graph.nodes]) {
    const carries = [...readsOf(node)].some((v) => context.carriedAxis(v) !== undefined);
    if (!carries && !isRandom(node)) continue;
    if (carries && node.subgraphs.length > 0) throw cannot(context, node, 'its sub-graphs read the batch');
    try {
      if (carries) ruleOf(node)?.(node, context);
      else randomSource(node, context);
      infer(context, node);
    } catch (cause) {
      if (!(cause instanceof ModelError)) throw cause;
      throw cannot(context, node, cause.message.split('\n')[0], cause);
    }
  }
  return context.rewritten;
}

function infer(context: Rebatch, node: Node): void {
  const types = inferNode(node, context.model.opset);
  node.outputs.forEach((value, i) => {
    if (value.name === '') return;
    const type = types[i] ?? guess(context, node, value);
    value.type = type;
    const [old, now] = [context.oldShape(value), value.shape];
    if (!old || !now || !context.follows(old, now))
      throw cannot(
        context,
        node,
        `'${value.name}' would turn from [${old ?? 'unknown'}] into [${now ?? 'unknown'}]`,
      );
  });
}

/** For operators without a rule: the batch stays on the axis it came in on. The check by execution has the last word. */
function guess(context: Rebatch, node: Node, value: Value): Value['type'] {
  const old = context.oldShape(value);
  if (!old || value.type?.kind !== 'tensor') return undefined;
  for (const input of node.inputs) {
    const axis = input && context.carriedAxis(input);
    if (axis === undefined || old[axis] !== context.oldShape(input as Value)?.[axis]) continue;
    return { ...value.type, shape: old.map((d, i) => (i === axis ? context.scaled(d) : d)) };
  }
  return value.type;
}

function ratio(model: Model, plan: readonly InputPlan[]): { from: number; to: number } {
  const changes = plan
    .filter((p) => p.before[0] !== p.after[0])
    .map((p) => [p.before[0], p.after[0]] as const);
  const [from, to] = changes[0];
  if (from < 1 || changes.some(([a, b]) => a !== from || b !== to))
    throw new UnsupportedError({
      problem: `${label(model)}: the inputs' batch sizes`,
      expected: 'one common batch in the file, and one to replace it',
      found: plan.map((p) => `${p.input.name}: ${p.before[0]} → ${p.after[0]}`).join(', '),
    });
  return { from, to };
}

function cannot(context: Rebatch, node: Node, why: string, cause?: unknown): UnsupportedError {
  return new UnsupportedError({
    problem: `${label(context.model)}: the batch size is fixed to ${context.from} in the file, and ${node.describe()} cannot follow a change to ${context.to}`,
    found: why,
    hint: `export the model with an open batch axis, or use batch ${context.from}`,
    cause,
  });
}
