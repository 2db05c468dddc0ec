import { randomFor } from '../../../src/base/random.js';
import {
  type DataType,
  type Dim,
  Graph,
  GraphBuilder,
  inferNode,
  Model,
  sizeOf,
  Tensor,
  tensorType,
  type Value,
} from '../../../src/onnx/index.js';
import type { Engine } from '../../../src/runtime/index.js';

export interface Inputs {
  readonly [name: string]: readonly Dim[] | { readonly type: DataType; readonly dims: readonly Dim[] };
}

/** A model of one opset whose outputs are what `body` returns, renamed y0, y1, … */
export function build(
  inputs: Inputs,
  body: (g: GraphBuilder, inputs: Record<string, Value>) => readonly Value[] | Value,
  opset = 18,
): Model {
  const graph = new Graph('test');
  const values = Object.fromEntries(
    Object.entries(inputs).map(([name, spec]) => {
      const { type, dims } = 'type' in spec ? spec : { type: 'float32' as const, dims: spec };
      return [name, graph.addInput(name, tensorType(type, dims))];
    }),
  );
  const g = new GraphBuilder(graph, opset, { infer: inferNode });
  const out = body(g, values);
  const outputs = 'graph' in out ? [out] : out;
  outputs.forEach((o, i) => {
    o.name = `y${i}`;
    graph.addOutput(o);
  });
  return new Model(graph, opset);
}

export function randomTensor(dims: readonly number[], ...seed: (string | number)[]): Tensor {
  const random = randomFor('test', ...seed);
  return Tensor.float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => random.normal()),
  );
}

/** Outputs as plain numbers. */
export async function outputs(
  engine: Engine,
  model: Model,
  feeds: Readonly<Record<string, Tensor>>,
): Promise<{ dims: readonly number[]; data: number[] }[]> {
  const session = await engine.session(model);
  const results = await session.run(new Map(Object.entries(feeds)));
  await session.release();
  return Array.from(results.values(), (t) => ({
    dims: t.dims,
    data: Array.from<number | bigint, number>(t.typed(), Number),
  }));
}

/** A model as text, one node a line, for comparing structure. */
export function ops(model: Model): string[] {
  return model.graph.nodes.map((n) => n.opType);
}
