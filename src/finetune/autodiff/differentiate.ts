import { UnsupportedError } from '../../base/errors.js';
import type { GraphBuilder, Node, Value } from '../../onnx/index.js';
import { checkReached, pathBack, reachableFrom } from './reached.js';
import type { Gradients, RuleContext } from './rule.js';
import { sumTo } from './rules/sums.js';
import { refuseNodes, ruleOf } from './support.js';

/**
 * Reverse-mode differentiation over the IR: emits, at the end of the graph, the gradient of a scalar by each wanted value.
 *
 * The walker finds what lies between the wanted values and the seeds, calls one rule per node in reverse order, adds the
 * gradients of a value with several readers, sums broadcast axes, and checks each gradient's shape and dtype. What no
 * wanted value leads to, a frozen stem say, and what leads to no seed costs nothing.
 *
 * @param seeds gradients of the scalar by some values, e.g. d loss / d logits
 * @param wanted float values with static shapes
 * @param nameOf what a wanted value is called in messages
 * @throws UnsupportedError before anything is emitted: naming the nodes when an operator on the way has no gradient rule,
 *   or the wanted values that do not reach a seed
 */
export function differentiate(
  b: GraphBuilder,
  seeds: ReadonlyMap<Value, Value>,
  wanted: readonly Value[],
  nameOf: (wanted: Value) => string = (v) => v.name,
): Map<Value, Value> {
  const active = reachableFrom(b.graph.nodes, wanted);
  const path = pathBack(b.graph.nodes, seeds, active);
  refuseNodes(path);
  checkReached(wanted, (v) => seeds.has(v) || v.uses.some((u) => path.has(u.node)), nameOf);
  const sums = new Sums(b);
  for (const [value, gradient] of seeds) sums.add(value, gradient);
  for (const node of [...path].reverse()) {
    const dys = node.outputs.map((o) => sums.of(o));
    if (dys.every((dy) => dy === undefined)) continue;
    const results = b.scope(`${node.name || node.outputs[0].name}_grad`, () =>
      applyRule(node, dys, {
        b,
        node,
        needs: (index) => {
          const v = node.inputs[index];
          return v !== undefined && active.has(v);
        },
        shape: (v) => shapeOf(node, v),
      }),
    );
    results.forEach((gradient, index) => {
      const input = node.inputs[index];
      if (!gradient || !input || !active.has(input)) return;
      const to = shapeOf(node, input);
      const reduced = sumTo(b, gradient, shapeOf(node, gradient), to);
      checkGradient(node, input, reduced, to);
      sums.add(input, reduced);
    });
  }
  // A rule may have no gradient for an input that lies on the way.
  checkReached(wanted, (v) => sums.of(v) !== undefined, nameOf);
  return sums.all;
}

function applyRule(node: Node, dys: readonly (Value | undefined)[], context: RuleContext): Gradients {
  const rule = ruleOf(node);
  if (!rule) throw new Error(`${node.describe()} has no gradient rule`);
  if (rule.outputs === 'several') return rule.apply({ ...context, dys });
  const [dy, ...others] = dys;
  const other = others.findIndex((g) => g !== undefined) + 1;
  if (other > 0)
    throw new UnsupportedError({
      problem: `cannot train through ${node.describe()}: its output '${node.outputs[other].name}' is on the way to the loss`,
      expected: `'${node.outputs[0].name}' alone, its output with a gradient`,
    });
  return dy ? rule.apply({ ...context, dy }) : [];
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

/**
 * Gradients by value. Those of a value with several readers are added as they come, so that only two are alive at once;
 * the sum of k of them is named `<value>_grad/sum<k>`.
 */
class Sums {
  readonly #b: GraphBuilder;
  readonly #sums = new Map<Value, { readonly gradient: Value; readonly count: number }>();

  constructor(b: GraphBuilder) {
    this.#b = b;
  }

  get all(): Map<Value, Value> {
    return new Map(Array.from(this.#sums, ([value, { gradient }]) => [value, gradient]));
  }

  of(value: Value): Value | undefined {
    return this.#sums.get(value)?.gradient;
  }

  add(value: Value, gradient: Value): void {
    const before = this.#sums.get(value);
    const count = (before?.count ?? 0) + 1;
    const name = `${value.name}_grad/sum${count}`;
    this.#sums.set(value, {
      gradient: before ? this.#b.op('Add', [before.gradient, gradient], {}, { name }) : gradient,
      count,
    });
  }
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
