/**
 * Bringing operators of opsets above the target back. Most versions from 21 on only allow more types; what is listed here
 * has another signature. What is not listed must pass the target's own signature as it is.
 */
import type { Node } from '../ir/node.js';
import { Tensor } from '../ir/tensor.js';
import { staticShape } from '../ir/types.js';
import { normalizeAxis } from '../ops/axes.js';
import { groupNormAttributes, layerNormAttributes } from '../ops/norm.js';
import { rebuildNode } from './rebuild.js';
import { type Step, type UpgradeContext, unsupported } from './upgrades.js';

/** Drops an attribute that says what older versions do anyway. */
function without(...names: readonly string[]): Step {
  return (node) => {
    for (const name of names) node.attributes.delete(name);
    return node;
  };
}

/** Swish(x) = x · sigmoid(alpha · x). */
const swish: Step = (node, { builder }) => {
  const x = node.input(0);
  const alpha = node.float('alpha', 1);
  const inner = alpha === 1 ? x : builder.op('Mul', [x, scalarLike(node, alpha)], {}, name(node, 'scaled'));
  const gate = builder.op('Sigmoid', [inner], {}, name(node, 'gate'));
  return rebuildNode(node, { opType: 'Mul', inputs: [x, gate], attributes: { alpha: undefined } });

  function scalarLike(n: Node, v: number): ReturnType<typeof builder.f32> {
    if (x.type?.kind === 'tensor' && x.type.dataType !== 'float32')
      unsupported(n, `alpha ${v} with ${x.type.dataType}`);
    return builder.f32(v);
  }
};

/**
 * GroupNormalization 21: over each group of channels, then a scale and bias per channel. As torch exports it:
 * Reshape to [0, groups, -1], InstanceNormalization, Reshape back, Mul, Add.
 */
const groupNorm: Step = (node, c) => {
  const { builder } = c;
  const { groups, epsilon } = groupNormAttributes(node);
  const x = node.input(0);
  const type = c.typeOf(x);
  if (type?.kind !== 'tensor' || type.dataType !== 'float32' || !type.shape)
    return unsupported(node, 'an input other than float32 of known rank');
  const channels = type.shape[1];
  if (typeof channels !== 'number' || channels % groups !== 0)
    return unsupported(node, `num_groups ${groups} of ${channels ?? 'unknown'} channels`);
  const dims = staticShape(type);
  const shape = dims ? builder.i64(dims) : builder.op('Shape', [x], {}, name(node, 'shape'));
  const grouped = builder.op('Reshape', [x, builder.i64([0, groups, -1])], {}, name(node, 'grouped'));
  const one = builder.constant(Tensor.float32([groups], new Array<number>(groups).fill(1)));
  const zero = builder.constant(Tensor.float32([groups], new Array<number>(groups).fill(0)));
  const normal = builder.op(
    'InstanceNormalization',
    [grouped, one, zero],
    { epsilon: { float: epsilon } },
    name(node, 'normalized'),
  );
  const back = builder.op('Reshape', [normal, shape], {}, name(node, 'back'));
  const perChannel = builder.i64([-1, ...new Array<number>(type.shape.length - 2).fill(1)]);
  const scale = builder.op('Reshape', [node.input(1), perChannel], {}, name(node, 'scale'));
  const bias = builder.op('Reshape', [node.input(2), perChannel], {}, name(node, 'bias'));
  const scaled = builder.op('Mul', [back, scale], {}, name(node, 'scaled'));
  return rebuildNode(node, {
    opType: 'Add',
    inputs: [scaled, bias],
    attributes: { epsilon: undefined, num_groups: undefined, stash_type: undefined },
  });
};

/** RMSNormalization 23: x / sqrt(mean(x²) + epsilon) · scale over the axes from `axis` on. */
const rmsNorm: Step = (node, c) => {
  const { builder } = c;
  const x = node.input(0);
  const type = c.typeOf(x);
  if (type?.kind !== 'tensor' || type.dataType !== 'float32' || !type.shape)
    return unsupported(node, 'an input other than float32 of known rank');
  const { axis, epsilon } = layerNormAttributes(node);
  const rank = type.shape.length;
  const from = normalizeAxis(node, axis, rank);
  const axes = Array.from({ length: rank - from }, (_, i) => from + i);
  const square = builder.op('Mul', [x, x], {}, name(node, 'square'));
  const mean = builder.op('ReduceMean', [square, builder.i64(axes)], {}, name(node, 'mean'));
  const shifted = builder.op('Add', [mean, builder.f32(epsilon)], {}, name(node, 'shifted'));
  const root = builder.op('Sqrt', [shifted], {}, name(node, 'root'));
  const normal = builder.op('Div', [x, root], {}, name(node, 'normalized'));
  return rebuildNode(node, {
    opType: 'Mul',
    inputs: [normal, node.input(1)],
    attributes: { axis: undefined, epsilon: undefined, stash_type: undefined },
  });
};

function name(node: Node, part: string): { readonly name: string } {
  return { name: `${node.name || node.output(0).name}/${part}` };
}

export const DOWNGRADES: Readonly<Record<string, (node: Node, c: UpgradeContext) => Node | undefined>> = {
  // Only float8e8m0 rounds by it, a type that the older version does not have.
  Cast: without('round_mode'),
  CastLike: without('round_mode'),
  GroupNormalization: groupNorm,
  RMSNormalization: rmsNorm,
  // Only float16 and bfloat16 ranges accumulate in it.
  Range: without('stash_type'),
  Swish: swish,
};
