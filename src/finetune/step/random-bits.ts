/**
 * Random numbers inside a graph, from a seed alone and from integer operators that every provider has: the same bits on
 * every device and in every run.
 *
 * One row of keys is hashed per graph and step: k_i = mix(salt_i + seed), salt_i a random constant of its own for each
 * key of each tensor. A tensor of R rows and C columns takes R keys a, R keys b and C keys c, and is
 *   h_ij = a_i·c_j + b_i  (mod 2³², two passes): multiply-add hashing (Dietzfelbinger 1996), whose high bits any two
 * elements have independently of each other. Compare h with a threshold; its low bits are not meant to be used.
 *
 * mix brings each bit of the seed to each bit of the key: three rounds of x ← x·(2x + 1) + constant, which carries bits
 * up, and x ← x + ⌊x/2¹⁶⌋ (towards zero), which brings them down. int32 products and sums wrap.
 */
import { randomFor } from '../../base/random.js';
import { type GraphBuilder, type Node, sizeOf, Tensor, type Value } from '../../onnx/index.js';

const ROUND_CONSTANTS = [0x9e3779b9, 0x7f4a7c15, 0x85ebca6b];
const RANGE = 2 ** 32;

/** The number in −2³¹ … 2³¹ − 1 with the same 32 bits. */
const wrapped = (v: number): number => v | 0;

/** A node whose result hangs on random numbers, and what takes its place. */
export interface RandomSite {
  readonly node: Node;
  /** Of the random numbers. */
  readonly dims: readonly number[];
  /** Puts what the bits make of it in the node's place; the caller removes the node. */
  emit(b: GraphBuilder, bits: Value): void;
}

/**
 * One int32 tensor per list of dims, uniform over all int32, independent of each other and from seed to seed.
 * @param seed int32 scalar
 */
export function randomBits(b: GraphBuilder, seed: Value, tensors: readonly (readonly number[])[]): Value[] {
  const layouts = tensors.map(layoutOf);
  const count = layouts.reduce((sum, { rows, columns }) => sum + 2 * rows + columns, 0);
  const random = randomFor('salts of random bits');
  const salts = Int32Array.from({ length: count }, () => wrapped(random.int(RANGE)));
  const keys = mix(b, b.op('Add', [b.constant(Tensor.int32([count], salts)), seed]));
  let at = 0;
  const take = (n: number, dims: readonly number[]): Value => {
    const slice = b.op('Slice', [keys, b.i64([at]), b.i64([at + n])]);
    at += n;
    return b.op('Reshape', [slice, b.i64(dims)]);
  };
  return layouts.map(({ rows, columns }, i) => {
    const [factor, term] = [take(rows, [rows, 1]), take(rows, [rows, 1])];
    const product = b.op('Mul', [factor, take(columns, [1, columns])]);
    return b.op('Reshape', [b.op('Add', [product, term]), b.i64(tensors[i])]);
  });
}

function mix(b: GraphBuilder, keys: Value): Value {
  const int = (v: number): Value => b.constant(Tensor.int32([], [wrapped(v)]));
  let x = keys;
  for (const constant of ROUND_CONSTANTS) {
    const odd = b.op('Add', [b.op('Add', [x, x]), int(1)]);
    x = b.op('Add', [b.op('Mul', [x, odd]), int(constant)]);
    x = b.op('Add', [x, b.op('Div', [x, int(65536)])]);
  }
  return b.op('Mul', [x, b.op('Add', [b.op('Add', [x, x]), int(1)])]);
}

/** The cut between two axes that needs the fewest keys. */
function layoutOf(dims: readonly number[]): { readonly rows: number; readonly columns: number } {
  const cuts = [...dims, 1].map((_, i) => ({
    rows: sizeOf(dims.slice(0, i)),
    columns: sizeOf(dims.slice(i)),
  }));
  return cuts.reduce((best, cut) => (2 * cut.rows + cut.columns < 2 * best.rows + best.columns ? cut : best));
}
