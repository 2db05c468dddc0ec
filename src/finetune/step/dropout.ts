/**
 * Dropout (Srivastava et al. 2014) in training: Y = X·M/(1 − p), M = 0 with probability p for each element, else 1. A
 * file that was exported for inference holds its Dropout nodes as a pass-through; as with BatchNormalization, training
 * brings them to life.
 */
import { UnsupportedError } from '../../base/errors.js';
import { dropoutAttributes, type GraphBuilder, type Node, Tensor, type Value } from '../../onnx/index.js';
import { staticShape } from './objective.js';
import type { RandomSite } from './random-bits.js';

const FLOAT = 1;

/**
 * A Dropout node that drops; one that does not is taken out.
 * @param scores what the loss judges
 * @throws UnsupportedError naming the node, for a ratio that is computed or not in [0, 1), or where scores are dropped
 */
export function dropoutSite(
  node: Node,
  scores: readonly Value[],
  mode: 'train' | 'off',
): RandomSite | undefined {
  const ratio = mode === 'off' ? 0 : ratioOf(node);
  if (ratio === 0) {
    passThrough(node, scores);
    return undefined;
  }
  if (scores.includes(node.output()))
    throw new UnsupportedError({
      problem: `${node.describe()} drops what the loss judges`,
      hint: 'use --dropout off',
    });
  return { node, dims: staticShape(node.input(0)), emit: (b, bits) => drop(b, node, ratio, bits) };
}

function ratioOf(node: Node): number {
  const { ratio } = dropoutAttributes(node);
  if (ratio !== undefined && ratio >= 0 && ratio < 1) return ratio;
  throw new UnsupportedError({
    problem: `${node.describe()}: its ratio`,
    expected: 'a constant from 0 to below 1',
    found: ratio === undefined ? 'a computed value' : `${ratio}`,
    hint: 'use --dropout off',
  });
}

/** A node whose mask is read, or whose result is looked at by name, stays: without its third input it passes X on. */
function passThrough(node: Node, scores: readonly Value[]): void {
  const { graph } = node;
  const [y, mask] = node.outputs;
  if (!graph || scores.includes(y) || graph.outputs.includes(y) || (mask && !mask.isDead)) return;
  graph.replaceUses(y, node.input(0));
  graph.removeNode(node);
}

function drop(b: GraphBuilder, node: Node, ratio: number, bits: Value): void {
  const [y, mask] = node.outputs;
  const kept = b.op('Less', [bits, threshold(b, 1 - ratio)], {}, { name: 'kept' });
  const factor = b.op('Mul', [b.op('Cast', [kept], { to: FLOAT }), b.f32(1 / (1 - ratio))]);
  b.graph.replaceUses(y, b.op('Mul', [node.input(0), factor], {}, { name: 'dropped' }));
  if (mask) b.graph.replaceUses(mask, kept);
}

/** What a uniform int32 is below with this probability. */
export function threshold(b: GraphBuilder, probability: number): Value {
  const limit = Math.min(Math.round(probability * 2 ** 32) - 2 ** 31, 2 ** 31 - 1);
  return b.constant(Tensor.int32([], [limit]));
}
