/** What a network must be for a training step of it to exist: of float32 weights, not quantized, of static shapes. */
import { UnsupportedError } from '../../base/errors.js';
import type { Model, Value } from '../../onnx/index.js';
import { constantOf } from '../../reparam/index.js';
import type { DataDependentShape } from '../../runtime/index.js';

/** How many nodes or tensors a message names. */
const NAMED = 3;

const QUANTIZED = /[Qq]uantizeLinear$|^QLinear|^QGemm$|^QAttention$|Integer$|^DynamicQuantize|NBits$/;

/** @throws UnsupportedError naming the nodes when a network computes with integers, or stores its weights as such */
export function refuseQuantized(model: Model): void {
  const nodes = model.graph.nodes.filter((n) => QUANTIZED.test(n.opType));
  if (nodes.length === 0) return;
  throw new UnsupportedError({
    problem: `cannot train ${model.source ?? 'the model'}: it is quantized`,
    expected: 'weights and activations in float32',
    found: list(nodes.map((n) => n.describe())),
    hint: 'train the float32 model it was made from, and quantize what comes out',
  });
}

/** @throws UnsupportedError naming the tensors to train that are not float32, and what reads them */
export function refuseOtherTypes(trainable: readonly Value[]): void {
  const others = trainable.flatMap((v) => {
    const dataType = constantOf(v)?.dataType;
    if (dataType === undefined || dataType === 'float32') return [];
    const [use] = v.uses;
    return [{ what: `'${v.name}'${use ? ` of ${use.node.describe()}` : ''}`, dataType }];
  });
  if (others.length === 0) return;
  throw new UnsupportedError({
    problem: `cannot train ${list(others.map((o) => o.what))}`,
    expected: 'float32 weights',
    found: [...new Set(others.map((o) => o.dataType))].join(', '),
    hint: 'convert the model to float32 first (PyTorch: model.float() before the export)',
  });
}

/** @throws UnsupportedError naming the first node whose output has other dims with other data: a step has fixed ones */
export function refuseDynamicShapes(shapes: readonly DataDependentShape[]): void {
  const [first] = shapes;
  if (!first) return;
  throw new UnsupportedError({
    problem: `cannot train through ${first.node}: the shape of its output '${first.value}' depends on the data`,
    expected: 'a shape that follows from the batch and the image size',
    found: `[${first.dims.join(', ')}] for random pixels`,
    hint: 'cut the model before this node, or export it with fixed shapes',
  });
}

function list(names: readonly string[]): string {
  const more = names.length - NAMED;
  return `${names.slice(0, NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
