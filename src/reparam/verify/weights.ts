/**
 * The algebra of a fused model, checked without running it: for every kernel that one model computes and the other
 * stores, the stored one must be the float64 result up to one rounding of its type at the kernel's scale. So a single
 * changed value of W_b or W_r is found also where it moves no output by more than the tolerance. The bases of a
 * training form must besides have the hashes they had in the checkpoint.
 */
import type { Model, Value } from '../../onnx/index.js';
import { constantOf } from '../constants.js';
import { readForm } from '../form.js';
import { type FuseDetails, fuseDetails } from '../fuse.js';
import { tensorSha256 } from '../hash.js';
import { isFloatType, SIGNIFICAND_DIGITS, toFloat64 } from '../numbers.js';
import { compareRange } from './compare.js';

export interface WeightError {
  /** The kernel's or bias's name in the deployed model. */
  readonly layer: string;
  /** max |stored − exact| ÷ max |exact| */
  readonly maxRelative: number;
  /** One rounding of the stored type: 2^-23 for float32. */
  readonly limit: number;
  /** Node that reads it. */
  readonly node: string;
}

export interface WeightReport {
  readonly weights: readonly WeightError[];
  readonly problems: readonly string[];
  /** Node of the first wrong kernel. */
  readonly worstNode: string | undefined;
}

export function compareWeights(a: Model, b: Model): WeightReport {
  const problems = [...frozenProblems(a, 'first'), ...frozenProblems(b, 'second')];
  const formed = readForm(a) !== undefined || readForm(b) !== undefined;
  const [fa, fb] = alike(a, b);
  const weights: WeightError[] = [];
  for (const [mine, other] of [
    [fa, fb],
    [fb, fa],
  ])
    for (const [value, exact] of mine.unrounded) {
      const partner = counterpart(value, other.model);
      const tensor = partner && constantOf(partner);
      if (!partner || !tensor || weights.some((w) => w.layer === value.name)) continue;
      if (tensor.size !== exact.length) {
        problems.push(
          `'${value.name}' has ${exact.length} values in the one model and ${tensor.size} in the other`,
        );
        continue;
      }
      if (!isFloatType(tensor.dataType)) continue;
      const stored = other.unrounded.get(partner) ?? toFloat64(tensor);
      weights.push({
        layer: value.name,
        maxRelative: compareRange(exact, stored, 0, exact.length).relative,
        limit: 2 ** (1 - SIGNIFICAND_DIGITS[tensor.dataType]),
        node: value.consumers[0]?.name || value.name,
      });
    }
  // Kernels of models that were never a training form are compared for information: other tools round in float32.
  const wrong = formed ? weights.filter((w) => !(w.maxRelative <= w.limit)) : [];
  for (const w of wrong.slice(0, 5))
    problems.push(
      `'${w.layer}' (${w.node}) differs from the folded algebra by ${w.maxRelative.toExponential(2)} of its scale, more than one rounding (${w.limit.toExponential(2)})`,
    );
  if (wrong.length > 5) problems.push(`and ${wrong.length - 5} more kernels`);
  const worst = wrong.reduce<WeightError | undefined>(
    (m, w) => (m === undefined || w.maxRelative > m.maxRelative ? w : m),
    undefined,
  );
  return { weights, problems, worstNode: worst?.node };
}

/** Both models fused, with the normalizations folded in both where only one of them has them folded. */
function alike(a: Model, b: Model): readonly [FuseDetails, FuseDetails] {
  const fa = fuseDetails(a);
  const fb = fuseDetails(b);
  const [na, nb] = [fa, fb].map(
    (f) => f.model.graph.nodes.filter((n) => n.opType === 'BatchNormalization').length,
  );
  if (na === nb) return [fa, fb];
  return na > nb
    ? [fuseDetails(a, { foldBatchNorm: true }), fb]
    : [fa, fuseDetails(b, { foldBatchNorm: true })];
}

/** The constant of the same name, or at the same place of a node of the same name. */
function counterpart(value: Value, model: Model): Value | undefined {
  const same = model.graph.find(value.name);
  if (same && constantOf(same)) return same;
  const [use] = value.uses;
  const node = use?.node.name ? model.graph.nodes.find((n) => n.name === use.node.name) : undefined;
  return node?.inputs[use?.index ?? 0];
}

function frozenProblems(model: Model, which: string): string[] {
  const problems: string[] = [];
  for (const layer of readForm(model)?.layers ?? []) {
    const tensor = constantOf(layer.base);
    const [first, ...copies] = layer.frozen.map((v) => constantOf(v)).filter((t) => t !== undefined);
    if (layer.record && tensor && tensorSha256(tensor) !== layer.record.baseSha256)
      problems.push(
        `the frozen base '${layer.base.name}' of the ${which} model is not the checkpoint's any more`,
      );
    if (copies.some((t) => first && tensorSha256(t) !== tensorSha256(first)))
      problems.push(`copies of the frozen base '${layer.base.name}' of the ${which} model differ`);
  }
  return problems;
}
