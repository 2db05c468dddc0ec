/**
 * Which nodes a gradient can go through, and what is said of those it cannot. Each operator has a rule, is constant (its
 * output does not change with its input, or in steps), or is refused with a reason.
 */
import { UnsupportedError } from '../../base/errors.js';
import type { Node, SupportedOp } from '../../onnx/index.js';
import { isInternal } from './internal.js';
import type { GradientRule, OutputsRule } from './rule.js';
import {
  CONSTANT_OPS,
  GRADIENT_RULES,
  INTERNAL_GRADIENT_RULES,
  OUTPUTS_RULES,
  type TreatedOp,
} from './table.js';

export type NodeRule =
  | { readonly outputs: 'first'; readonly apply: GradientRule }
  | { readonly outputs: 'several'; readonly apply: OutputsRule };

/** The rule of a node; undefined where its operator has none. */
export function ruleOf(node: Node): NodeRule | undefined {
  const first = isInternal(node)
    ? INTERNAL_GRADIENT_RULES.get(node.opType)
    : node.domain === ''
      ? GRADIENT_RULES.get(node.opType)
      : undefined;
  if (first) return { outputs: 'first', apply: first };
  const several = node.domain === '' ? OUTPUTS_RULES.get(node.opType) : undefined;
  return several && { outputs: 'several', apply: several };
}

/** Whether no gradient goes through a node, because its outputs do not follow its inputs. */
export function isConstantOp(node: Node): boolean {
  return node.domain === '' && CONSTANT_OPS.has(node.opType);
}

/** Operators that have a rule, in alphabetical order. */
export function differentiableOps(): readonly string[] {
  return [...GRADIENT_RULES.keys(), ...OUTPUTS_RULES.keys()].sort();
}

interface Refusal {
  readonly reason: string;
  readonly hint: string;
}

const NO_RULE: Refusal = {
  reason: 'no gradient rule for this operator',
  hint: `operators with a gradient: ${differentiableOps().join(', ')}`,
};

const CONTROL_FLOW: Refusal = {
  reason: 'no gradient through control flow whose course depends on the data',
  hint: 'export the model traced instead of scripted, for one image size, with loops unrolled',
};

const QUANTIZED: Refusal = {
  reason: 'integers change in steps, and have no gradient',
  hint: 'train the float32 model that was quantized, and quantize what comes out',
};

/** The known operators that the tables do not treat. The type checker holds the list complete, and free of others. */
const REFUSED = {
  Acos: NO_RULE,
  Acosh: NO_RULE,
  Asin: NO_RULE,
  Asinh: NO_RULE,
  Atan: NO_RULE,
  Atanh: NO_RULE,
  Compress: NO_RULE,
  Cosh: NO_RULE,
  CumSum: NO_RULE,
  DequantizeLinear: QUANTIZED,
  DynamicQuantizeLinear: QUANTIZED,
  GatherElements: NO_RULE,
  GatherND: NO_RULE,
  GlobalLpPool: NO_RULE,
  If: CONTROL_FLOW,
  Loop: CONTROL_FLOW,
  LpNormalization: NO_RULE,
  LpPool: NO_RULE,
  MatMulInteger: QUANTIZED,
  MeanVarianceNormalization: NO_RULE,
  Mod: NO_RULE,
  OneHot: NO_RULE,
  QuantizeLinear: QUANTIZED,
  ReverseSequence: NO_RULE,
  RMSNormalization: NO_RULE,
  Scan: CONTROL_FLOW,
  Scatter: NO_RULE,
  ScatterElements: NO_RULE,
  Shrink: NO_RULE,
  Sinh: NO_RULE,
  Swish: NO_RULE,
  Tan: NO_RULE,
  TopK: NO_RULE,
  Trilu: NO_RULE,
  Upsample: NO_RULE,
} satisfies Record<Exclude<SupportedOp, TreatedOp>, Refusal>;

const REFUSALS: ReadonlyMap<string, Refusal> = new Map<string, Refusal>(Object.entries(REFUSED));

function refusalOf(node: Node): Refusal {
  if (node.domain === '') return REFUSALS.get(node.opType) ?? NO_RULE;
  return {
    reason: `no gradient rule for operators of domain '${node.domain}'`,
    hint: 'export the model with operators of ai.onnx alone, before a runtime optimizes it and with functions inlined (onnx.inliner)',
  };
}

/** How many nodes a message names. */
const NAMED = 5;

/** @throws UnsupportedError naming the nodes without a rule, all in one message */
export function refuseNodes(path: Iterable<Node>): void {
  const byReason = new Map<string, { readonly hint: string; readonly nodes: Node[] }>();
  for (const node of path) {
    if (ruleOf(node)) continue;
    const { reason, hint } = refusalOf(node);
    const group = byReason.get(reason) ?? { hint, nodes: [] };
    byReason.set(reason, group);
    group.nodes.push(node);
  }
  if (byReason.size === 0) return;
  const parts = Array.from(byReason, ([reason, { nodes }]) => `${list(nodes)}: ${reason}`);
  throw new UnsupportedError({
    problem: `cannot train through ${parts.join('; nor through ')}`,
    hint: Array.from(byReason.values(), (g) => g.hint).join('\n  '),
  });
}

function list(nodes: readonly Node[]): string {
  const named = nodes.slice(0, NAMED).map((n) => n.describe());
  const more = nodes.length - named.length;
  return `${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
