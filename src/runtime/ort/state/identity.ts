import { type DataType, encodeModel, Graph, GraphBuilder, Model, tensorType } from '../../../onnx/index.js';

/** The file of a model that gives its one input, of any shape, back. */
export function identityModel(type: DataType): Uint8Array {
  const graph = new Graph('identity');
  const x = graph.addInput('x', tensorType(type));
  const y = new GraphBuilder(graph, 20).op('Identity', [x], {}, { outputs: ['y'] });
  y.type = tensorType(type);
  graph.addOutput(y);
  return encodeModel(new Model(graph, 20));
}
