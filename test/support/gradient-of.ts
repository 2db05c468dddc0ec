import { differentiate } from '../../src/finetune/autodiff/differentiate.js';
import { inferTrained } from '../../src/finetune/autodiff/internal.js';
import { lower } from '../../src/finetune/lowering/lower.js';
import { portable } from '../../src/finetune/lowering/portable/index.js';
import { TRAINING_OPSET } from '../../src/finetune/step/prepare.js';
import {
  Graph,
  GraphBuilder,
  Model,
  type Node,
  sizeOf,
  Tensor,
  tensorType,
  type Value,
} from '../../src/onnx/index.js';
import { evaluate } from '../../src/runtime/reference/index.js';

interface Result {
  readonly gradient: number[];
  /** w, by output element. */
  readonly dy: number[];
  /** The node of f. */
  readonly node: Node;
  /** f, then its gradient, then an Identity. */
  readonly graph: Graph;
}

/**
 * The gradient of Σ w·f(x) by x, f one node, evaluated in float64 by the reference interpreter: for conventions where
 * values tie or a function has a kink, which central differences cannot see.
 * @param weight w of output element i
 */
export function gradientOf(
  dims: readonly number[],
  data: readonly number[],
  build: (b: GraphBuilder, x: Value) => Value,
  weight: (i: number) => number,
): Result {
  const graph = new Graph('test');
  const x = graph.addInput('x', tensorType('float32', dims));
  const b = new GraphBuilder(graph, TRAINING_OPSET, {
    infer: inferTrained,
  });
  const y = build(b, x);
  const { producer, shape } = y;
  if (!producer || !shape) throw new Error('the function must be a node with a static shape');
  const dy = Array.from({ length: sizeOf(shape) }, (_, i) => weight(i));
  const gradient = differentiate(b, new Map([[y, b.constant(Tensor.float32(shape, dy))]]), [x]).get(x);
  if (!gradient) throw new Error('no gradient');
  graph.addOutput(b.op('Identity', [gradient]));
  lower(b, portable);
  const feeds = new Map([['x', { dataType: 'float64' as const, dims, data: Float64Array.from(data) }]]);
  const [out] = evaluate(new Model(graph, TRAINING_OPSET, 9), feeds).values();
  return { gradient: Array.from<number | bigint, number>(out.data, Number), dy, node: producer, graph };
}
