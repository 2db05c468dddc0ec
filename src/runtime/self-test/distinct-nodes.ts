import { type Attribute, type Model, type Node, staticShape, Tensor, type Value } from '../../onnx/index.js';
import { isFeedable } from '../ort/tensors.js';

/**
 * One node for each operation of a graph: of those that differ in nothing but the data (same operator, attributes, types,
 * dims and small constants) the first. Left out are nodes with sub-graphs and those whose inputs cannot be fed.
 * @returns by what makes the operation, which is the same in every graph
 */
export function distinctNodes({ graph }: Model): Map<string, Node> {
  const first = new Map<string, Node>();
  for (const node of graph.nodes) {
    if (node.inputs.every((v) => v === undefined || v.initializer !== undefined)) continue;
    if (![...node.inputs, ...node.outputs].every((v) => v === undefined || isPlain(v))) continue;
    const attributes = Array.from(node.attributes, ([name, a]) => `${name}=${attributeKey(a)}`);
    if (attributes.some((a) => a.endsWith('=?'))) continue;
    const key = [
      node.domain,
      node.opType,
      ...attributes.sort(),
      ...node.inputs.map((v) => (v ? valueKey(v) : '-')),
      node.outputs.length,
    ].join(' ');
    if (!first.has(key)) first.set(key, node);
  }
  return first;
}

function isPlain({ type, name }: Value): boolean {
  return (
    name === '' || (type?.kind === 'tensor' && staticShape(type) !== undefined && isFeedable(type.dataType))
  );
}

function valueKey({ type, initializer }: Value): string {
  const shape = `${type?.kind === 'tensor' ? type.dataType : ''}[${staticShape(type)}]`;
  // Axes, pads and scalars decide what an operator does; weights do not.
  return initializer && initializer.size <= 64 ? `${shape}${tensorKey(initializer)}` : shape;
}

function attributeKey({ type, value }: Attribute): string {
  if (value instanceof Tensor) return tensorKey(value);
  switch (type) {
    case 'float':
    case 'int':
      return String(value);
    case 'floats':
    case 'ints':
      return `[${value}]`;
    case 'string':
      return Buffer.from(value).toString('hex');
    default:
      return '?';
  }
}

function tensorKey(tensor: Tensor): string {
  return Buffer.from(tensor.bytes()).toString('base64');
}
