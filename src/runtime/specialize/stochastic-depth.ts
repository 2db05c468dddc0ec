/**
 * Stochastic depth (arXiv 1603.09382, DropPath) as exporters trace it in training mode: a branch X times a random factor
 * that is 1/p with probability p, else 0, drawn per sample:
 *   RandomUniform[Like] over [0, 1) → Less than p → Cast → Div by p (or Mul by 1/p) → Mul by X
 *   Bernoulli of p                  → [Cast]      → Div by p (or Mul by 1/p) → Mul by X
 * As with Dropout, inference is Y = X.
 */
import { constantOf, type Node, numbersOf, rebuildNode, type Value } from '../../onnx/index.js';

export interface StochasticDepth {
  /** The random node, and what follows it up to the factor. */
  readonly chain: readonly Node[];
  /** Y = X · factor. */
  readonly product: Node;
}

/** What a random node does, when that is stochastic depth; undefined when it is anything else. */
export function stochasticDepthOf(random: Node): StochasticDepth | undefined {
  const start = drawOf(random);
  if (!start) return undefined;
  const chain = [...start.chain];
  let value = chain[chain.length - 1].output();
  const cast = onlyReader(value);
  if (cast?.opType === 'Cast') {
    chain.push(cast);
    value = cast.output();
  }
  const scale = onlyReader(value);
  if (!scale || !scales(scale, value, start.probability)) return undefined;
  chain.push(scale);
  const product = onlyReader(scale.output());
  if (product?.opType !== 'Mul' || product.domain !== '') return undefined;
  // The factor broadcasts to X, never X to the factor.
  const [from, to] = [otherThan(product, scale.output()).shape, product.output().shape];
  return !from || !to || `${from}` === `${to}` ? { chain, product } : undefined;
}

/** Puts the inference form in its place: Y = X. */
export function dropStochasticDepth({ chain, product }: StochasticDepth): void {
  const x = otherThan(product, chain[chain.length - 1].output());
  rebuildNode(product, { opType: 'Identity', inputs: [x] });
  for (const node of [...chain].reverse())
    if (node.outputs.every((o) => o.isDead)) node.graph?.removeNode(node);
}

interface Draw {
  /** Up to the node whose output is 1 or true with the probability. */
  readonly chain: readonly Node[];
  readonly probability: number;
}

function drawOf(random: Node): Draw | undefined {
  if (random.opType === 'Bernoulli') {
    const probability = numberOf(random.inputs[0]);
    return probability === undefined ? undefined : { chain: [random], probability };
  }
  if (random.opType !== 'RandomUniform' && random.opType !== 'RandomUniformLike') return undefined;
  if (random.float('low', 0) !== 0 || random.float('high', 1) !== 1) return undefined;
  const less = onlyReader(random.output());
  if (less?.opType !== 'Less' || less.input(0) !== random.output()) return undefined;
  const probability = numberOf(less.inputs[1]);
  return probability === undefined ? undefined : { chain: [random, less], probability };
}

/** Whether a node divides by the probability. */
function scales(node: Node, value: Value, probability: number): boolean {
  if (node.domain !== '' || node.inputs.length !== 2) return false;
  const factor = numberOf(otherThan(node, value));
  if (factor === undefined) return false;
  // The reciprocal may have been rounded to float32.
  if (node.opType === 'Mul') return Math.abs(factor * probability - 1) < 1e-6;
  return node.opType === 'Div' && node.input(0) === value && factor === probability;
}

/** The operand of a node of two that is not this one. */
function otherThan(node: Node, value: Value): Value {
  return node.input(0) === value ? node.input(1) : node.input(0);
}

/** The number that all elements of a constant are. */
function numberOf(value: Value | undefined): number | undefined {
  const tensor = value && constantOf(value);
  const numbers = tensor ? numbersOf(tensor) : [];
  return numbers.every((n) => n === numbers[0]) ? numbers[0] : undefined;
}

function onlyReader(value: Value): Node | undefined {
  return value.uses.length === 1 ? value.uses[0].node : undefined;
}
