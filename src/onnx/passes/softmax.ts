/**
 * Softmax, LogSoftmax and Hardmax up to opset 12 work on the input coerced to two axes: those before `axis`, and those from
 * it on, over which they normalize. From 13 they normalize over the one axis.
 */
import { type Dim, staticShape } from '../ir/types.js';
import { normalizeAxis } from '../ops/axes.js';
import { refuse } from '../ops/fail.js';
import type { Step } from './upgrades.js';

/** Exact where only one of the axes from `axis` on is larger than 1: then it is that axis; else through Flatten. */
export const flattenSoftmax: Step = (node, c) => {
  const input = node.input(0);
  const type = c.typeOf(input);
  const shape = type?.kind === 'tensor' ? type.shape : undefined;
  const given = node.int('axis', 1);
  // axis = rank is legal: every element is a list of its own.
  const axis = shape && given !== shape.length ? normalizeAxis(node, given, shape.length) : given;
  if (!Number.isSafeInteger(axis)) refuse(node, 'attribute axis', 'a number of axes', `${axis}`);
  const single = shape && oneAxis(shape, axis);
  if (single !== undefined) {
    node.setAttribute('axis', single);
    return node;
  }
  const { graph, builder } = c;
  const name = node.name || node.output(0).name;
  const flat = builder.op('Flatten', [input], { axis }, { name: `${name}/flatten` });
  const dims = staticShape(type);
  const target = dims ? builder.i64(dims) : builder.op('Shape', [input], {}, { name: `${name}/shape` });
  node.setInput(0, flat);
  node.setAttribute('axis', -1);
  const old = node.output(0);
  const after = graph.addNode(
    {
      opType: 'Reshape',
      name: graph.uniqueName(`${name}/unflatten`),
      inputs: [undefined, target],
      outputs: [graph.uniqueName(`${old.name}/unflattened`)],
    },
    { after: node },
  );
  const result = after.output(0);
  graph.replaceUses(old, result);
  after.setInput(0, old);
  // The result keeps the name that readers of the file know.
  [old.name, result.name] = [result.name, old.name];
  result.type = old.type;
  old.type = flat.type;
  return node;
};

/** The only axis from `from` on that may be larger than 1; the last one when there is none. */
function oneAxis(shape: readonly Dim[], from: number): number | undefined {
  const large = shape.map((d, i) => (i >= from && d !== 1 ? i : -1)).filter((i) => i >= 0);
  if (large.length === 1) return large[0];
  return large.length === 0 && from < shape.length ? shape.length - 1 : undefined;
}
