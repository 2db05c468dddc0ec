/**
 * Evaluates a graph in float64, node by node: no fusing, no rounding between nodes. It is the outside reference that
 * gradient checks, fuse and verify compare with, so it favours clarity; speed is that of plain loops.
 */
import { ModelError, UnsupportedError, UsageError } from '../../base/errors.js';
import { type Graph, type Model, type Node, readsOf, type Value } from '../../onnx/index.js';
import { Call } from './call.js';
import { isRefOp, isRefused, REF_OPS, REFUSED, RULES } from './rules.js';
import { fromTensor, isFloatType, isReal, type RefTensor, TooLarge } from './tensor.js';

/** What an evaluation needs to know beside the values; a {@link Model} is one. */
export interface Scope {
  readonly graph: Graph;
  /** Version of the ai.onnx operator set. */
  readonly opset: number;
}

export interface EvaluateOptions {
  /** Values wanted, also inner ones; the result has them by name. Default: the graph's outputs. */
  readonly fetch?: readonly Value[];
  /** Values taken as given instead of computed (initializers and intermediate ones included). */
  readonly overrides?: ReadonlyMap<Value, RefTensor>;
}

const OPSETS = { first: 7, last: 26 } as const;

/**
 * Evaluates a model.
 * @param feeds every input without a default, by name; any float type serves for a float input
 * @returns the outputs (or `fetch`) by name
 * @throws UsageError for a missing, unknown or ill-shaped feed
 * @throws UnsupportedError naming the node for an op without a rule, ModelError for a node that breaks its op's rules
 */
export function evaluate(
  model: Model,
  feeds: ReadonlyMap<string, RefTensor>,
  options: EvaluateOptions = {},
): Map<string, RefTensor> {
  const given = new Map<Value, RefTensor>();
  const inputs = new Map(model.graph.inputs.map((v) => [v.name, v]));
  for (const [name, t] of feeds) {
    const value = inputs.get(name);
    if (!value)
      throw new UsageError({
        problem: `the model has no input '${name}'`,
        expected: `one of ${[...inputs.keys()].map((n) => `'${n}'`).join(', ')}`,
      });
    given.set(value, checkFeed(value, t));
  }
  for (const [value, t] of options.overrides ?? []) given.set(value, t);
  const wanted = options.fetch ?? model.graph.outputs;
  const results = evaluateValues(model, wanted, given);
  return new Map(Array.from(results, ([value, t]) => [value.name, t]));
}

/**
 * Evaluates only what the wanted values need.
 * @param given values taken as they are: inputs, and whatever a caller wants to replace
 * @throws as {@link evaluate}
 */
export function evaluateValues(
  scope: Scope,
  wanted: readonly Value[],
  given: ReadonlyMap<Value, RefTensor> = new Map(),
): Map<Value, RefTensor> {
  if (scope.opset < OPSETS.first || scope.opset > OPSETS.last)
    throw new UnsupportedError({
      problem: `operator set ${scope.opset} in the reference interpreter`,
      expected: `${OPSETS.first} to ${OPSETS.last}`,
    });
  return run(scope.opset, wanted, (v) => given.get(v));
}

/** Looks up values from outside: feeds, and for a sub-graph the values of the graph around it. */
type Given = (value: Value) => RefTensor | undefined;

function run(opset: number, wanted: readonly Value[], given: Given): Map<Value, RefTensor> {
  const order = nodesFor(wanted, given);
  const readers = new Map<Value, number>();
  const count = (v: Value): void => void readers.set(v, (readers.get(v) ?? 0) + 1);
  for (const v of wanted) count(v);
  for (const { reads } of order) for (const v of reads) count(v);

  const values = new Map<Value, RefTensor>();
  const get = (v: Value): RefTensor => {
    const known = given(v) ?? values.get(v);
    if (known) return known;
    if (!v.initializer) throw new ModelError({ problem: `value '${v.name}' was not computed` });
    const decoded = fromTensor(v.initializer);
    values.set(v, decoded);
    return decoded;
  };
  const release = (v: Value): void => {
    const left = (readers.get(v) ?? 1) - 1;
    readers.set(v, left);
    if (left === 0) values.delete(v);
  };

  for (const { node, reads } of order) {
    const outputs = evaluateNode(
      new Call(
        node,
        opset,
        node.inputs.map((v) => v && get(v)),
        (graph) => {
          const inner = run(
            opset,
            graph.outputs,
            (v) => given(v) ?? values.get(v) ?? outerConstant(v, graph),
          );
          return graph.outputs.map((v) => inner.get(v) ?? missing(v));
        },
      ),
    );
    for (const [i, value] of node.outputs.entries()) {
      const result = outputs[i];
      if (result) {
        if (readers.has(value)) values.set(value, result);
      } else if (readers.has(value))
        throw new UnsupportedError({
          problem: `${node.describe()}: output ${i} ('${value.name}') in the reference interpreter`,
        });
    }
    for (const v of reads) release(v);
  }
  return new Map(wanted.map((v) => [v, get(v)]));
}

function evaluateNode(call: Call): readonly RefTensor[] {
  const { node } = call;
  if (node.domain !== '' || !isRefOp(node.opType))
    throw new UnsupportedError({
      problem: `${node.describe()}: the reference interpreter has no rule for this op${reason(node)}`,
      expected: `one of ${REF_OPS.join(', ')}`,
      found: node.domain ? `${node.domain}.${node.opType}` : node.opType,
    });
  try {
    return RULES[node.opType](call);
  } catch (e) {
    if (e instanceof TooLarge)
      throw new UnsupportedError({
        problem: `${node.describe()}: ${e.message}, more than the reference interpreter takes`,
        cause: e,
      });
    throw e;
  }
}

function reason(node: Node): string {
  return node.domain === '' && isRefused(node.opType) ? `: ${REFUSED[node.opType]}` : '';
}

interface Step {
  readonly node: Node;
  /** Values from outside the node that it reads, its sub-graphs included; each once. */
  readonly reads: ReadonlySet<Value>;
}

/** The nodes that the wanted values need, each after those it reads (depth first, with an own stack: chains are long). */
function nodesFor(wanted: readonly Value[], given: Given): Step[] {
  const order: Step[] = [];
  const state = new Map<Node, 'open' | 'done'>();
  const stack: { step: Step; pending: Iterator<Value> }[] = [];
  const enter = (value: Value): void => {
    if (given(value) || value.initializer) return;
    const node = value.producer;
    if (!node) missing(value);
    const seen = state.get(node);
    if (seen === 'done') return;
    if (seen === 'open')
      throw new ModelError({ problem: `the graph has a cycle through ${node.describe()}` });
    state.set(node, 'open');
    const step = { node, reads: outerReads(node) };
    stack.push({ step, pending: step.reads.values() });
  };
  for (const value of wanted) {
    enter(value);
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const next = top.pending.next();
      if (!next.done) enter(next.value);
      else {
        stack.pop();
        state.set(top.step.node, 'done');
        order.push(top.step);
      }
    }
  }
  return order;
}

function outerReads(node: Node): Set<Value> {
  const reads = new Set<Value>();
  if (node.subgraphs.length === 0) {
    for (const v of node.inputs) if (v) reads.add(v);
    return reads;
  }
  const inner = new Set<Graph>();
  const open = [...node.subgraphs];
  for (let g = open.pop(); g; g = open.pop()) {
    inner.add(g);
    for (const n of g.nodes) open.push(...n.subgraphs);
  }
  for (const v of readsOf(node)) if (!(v.graph && inner.has(v.graph))) reads.add(v);
  return reads;
}

/** A sub-graph may read a constant of the graph around it, which is decoded when it does. */
function outerConstant(value: Value, inner: Graph): RefTensor | undefined {
  return value.initializer && value.graph !== inner ? fromTensor(value.initializer) : undefined;
}

function missing(value: Value): never {
  if (value.isInput)
    throw new UsageError({
      problem: `graph input '${value.name}' is needed and was not fed`,
      hint: 'feed it, or fetch only values that do not depend on it',
    });
  throw new ModelError({ problem: `value '${value.name}' is read but nothing makes it` });
}

/** A feed as the input declares it: dims that are numbers must agree, any float type stands for any other. */
function checkFeed(value: Value, t: RefTensor): RefTensor {
  const { type } = value;
  if (type?.kind !== 'tensor') return t;
  const { shape } = type;
  if (
    shape &&
    (shape.length !== t.dims.length || shape.some((d, i) => typeof d === 'number' && d !== t.dims[i]))
  )
    throw new UsageError({
      problem: `input '${value.name}'`,
      expected: `dims [${shape.map((d) => d ?? '?')}]`,
      found: `[${t.dims}]`,
    });
  if (type.dataType === t.dataType) return t;
  const declared = type.dataType;
  if (isReal(t) && isFloatType(t.dataType) && isFloatType(declared)) return { ...t, dataType: declared };
  throw new UsageError({ problem: `input '${value.name}'`, expected: declared, found: t.dataType });
}
