import { ModelError } from '../../base/errors.js';
import type { AttributeMessage, GraphMessage, ModelMessage, NodeMessage, TensorMessage } from './messages.js';

/**
 * Local functions and training graphs are carried without being understood, so nothing would move external data of
 * their tensors to a new file.
 * @throws ModelError when such a tensor is external
 */
export function assertInside(message: ModelMessage, source: string): void {
  const check = (where: string, tensor: TensorMessage | undefined): void => {
    if (tensor?.data_location === 1)
      throw new ModelError({
        problem: `${source}: a tensor of ${where} has its data in an external file, which is supported in graphs only`,
        hint: 'save the model with its data inside (onnx.save without external data)',
      });
  };
  const attribute = (where: string, a: AttributeMessage): void => {
    check(where, a.t);
    for (const t of a.tensors ?? []) check(where, t);
    for (const s of [a.sparse_tensor, ...(a.sparse_tensors ?? [])]) {
      check(where, s?.values);
      check(where, s?.indices);
    }
    graph(where, a.g);
    for (const g of a.graphs ?? []) graph(where, g);
  };
  const node = (where: string, n: NodeMessage): void => {
    for (const a of n.attribute ?? []) attribute(where, a);
  };
  const graph = (where: string, g: GraphMessage | undefined): void => {
    for (const t of g?.initializer ?? []) check(where, t);
    for (const n of g?.node ?? []) node(where, n);
  };
  for (const f of message.functions ?? []) {
    const where = `function '${f.name ?? ''}'`;
    for (const n of f.node ?? []) node(where, n);
    for (const a of f.attribute_proto ?? []) attribute(where, a);
  }
  for (const t of message.training_info ?? []) {
    graph('training_info', t.initialization);
    graph('training_info', t.algorithm);
  }
}
