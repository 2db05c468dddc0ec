import { type Attribute, type Model, type Node, staticShape, Tensor, type Value } from '../../onnx/index.js';
import { bytesOf } from '../ort/step-memory.js';
import { isFeedable } from '../ort/tensors.js';

/**
 * Operators that do one thing for each element. Which kernel does it depends on the number of axes, on those of size 1 and on
 * multiples of 4 (vectors), not on the size.
 */
const ELEMENTWISE: ReadonlySet<string> = new Set([
  'Abs',
  'Add',
  'And',
  'Cast',
  'Ceil',
  'Clip',
  'Div',
  'Elu',
  'Equal',
  'Erf',
  'Exp',
  'Floor',
  'Greater',
  'GreaterOrEqual',
  'HardSigmoid',
  'HardSwish',
  'LeakyRelu',
  'Less',
  'LessOrEqual',
  'Log',
  'Max',
  'Min',
  'Mul',
  'Neg',
  'Not',
  'Or',
  'Pow',
  'Reciprocal',
  'Relu',
  'Sigmoid',
  'Softplus',
  'Sqrt',
  'Sub',
  'Tanh',
  'Where',
]);

/**
 * One node for each operation of a graph: of those that differ in nothing but the data (same operator, attributes, types,
 * dims and small constants; element by element, also sizes and constants) the smallest. Left out are nodes with sub-graphs
 * and those whose inputs cannot be fed.
 * @returns by what makes the operation, which is the same in every graph
 */
export function distinctNodes({ graph }: Model): Map<string, Node> {
  const found = new Map<string, { readonly node: Node; readonly bytes: number }>();
  for (const node of graph.nodes) {
    if (node.inputs.every((v) => v === undefined || v.initializer !== undefined)) continue;
    if (![...node.inputs, ...node.outputs].every((v) => v === undefined || isPlain(v))) continue;
    const attributes = Array.from(node.attributes, ([name, a]) => `${name}=${attributeKey(a)}`);
    if (attributes.some((a) => a.endsWith('=?'))) continue;
    const key = node.domain === '' && ELEMENTWISE.has(node.opType) ? patternKey : valueKey;
    const operation = [
      node.domain,
      node.opType,
      ...attributes.sort(),
      ...node.inputs.map((v) => (v ? key(v) : '-')),
      node.outputs.length,
    ].join(' ');
    const bytes = node.outputs.reduce((sum, v) => sum + bytesOf(v), 0);
    const known = found.get(operation);
    if (!known || bytes < known.bytes) found.set(operation, { node, bytes });
  }
  return new Map(Array.from(found, ([operation, { node }]) => [operation, node]));
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

/** The axes that are 1, a multiple of 4, and any other. */
function patternKey({ type }: Value): string {
  const pattern = staticShape(type)?.map((d) => (d === 1 ? '1' : d % 4 === 0 ? '4n' : 'n'));
  return `${type?.kind === 'tensor' ? type.dataType : ''}[${pattern}]`;
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
