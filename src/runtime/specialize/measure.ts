import { randomFor } from '../../base/random.js';
import {
  byteSize,
  cloneModel,
  inferNode,
  isSupportedOp,
  type Model,
  sizeOf,
  staticShape,
  Tensor,
  tensorType,
  type Value,
} from '../../onnx/index.js';
import type { Engine } from '../engine.js';

/** Values that nodes of the main graph make and whose dims are not all known. */
export function unknownShapes(model: Model): Value[] {
  const out: Value[] = [];
  for (const node of model.graph.nodes)
    for (const o of node.outputs)
      if (o.name !== '' && o.type?.kind !== 'other' && staticShape(o.type) === undefined) out.push(o);
  return out;
}

/**
 * Gives values the types they have in one run of the model on random inputs (of the inputs' own static types). For
 * operators that no inference rule knows.
 */
export async function measureTypes(model: Model, values: readonly Value[], engine: Engine): Promise<void> {
  const probe = cloneModel(model);
  for (const o of [...probe.graph.outputs]) probe.graph.removeOutput(o);
  const names = new Map(values.map((v) => [v.name, v]));
  for (const node of probe.graph.nodes)
    for (const o of node.outputs)
      if (names.has(o.name)) {
        o.type = undefined;
        probe.graph.addOutput(o);
      }
  const session = await engine.session(probe, { optimization: 'none' });
  try {
    const results = await session.run(randomInputs(model, 'measure'));
    for (const [name, tensor] of results) {
      const value = names.get(name);
      if (value) value.type = tensorType(tensor.dataType, tensor.dims);
    }
  } finally {
    await session.release();
  }
}

/** A value that has other dims with other data. */
export interface DataDependentShape {
  /** The node that makes it, in words. */
  readonly node: string;
  readonly value: string;
  /** As one random input had them. */
  readonly dims: readonly number[];
}

/** Operators whose shape rule looks at their sub-graphs, which nobody types: what a run tells may hold for all data. */
const CONTROL_FLOW = new Set(['If', 'Loop', 'Scan']);

/**
 * Whether the dims of a measured value depend on the data: its inputs' types are all known, and still its operator's
 * shape rule does not tell. Of an operator without a rule a run is all that can tell.
 */
export function dependsOnData({ opset }: Model, value: Value): boolean {
  const node = value.producer;
  if (!node || !isSupportedOp(node.opType, node.domain) || CONTROL_FLOW.has(node.opType)) return false;
  return staticShape(inferNode(node, opset)[node.outputs.indexOf(value)]) === undefined;
}

/** Random data for every required input with a static type: floats in [0, 1), other types 0. */
export function randomInputs(model: Model, label: string): Map<string, Tensor> {
  const out = new Map<string, Tensor>();
  for (const { name, type } of model.graph.requiredInputs) {
    const dims = staticShape(type);
    if (!dims || type?.kind !== 'tensor') continue;
    const random = randomFor(label, name);
    const size = sizeOf(dims);
    if (type.dataType === 'float32')
      out.set(
        name,
        Tensor.float32(
          dims,
          Float32Array.from({ length: size }, () => random.next()),
        ),
      );
    else if (type.dataType === 'float64')
      out.set(
        name,
        Tensor.float64(
          dims,
          Float64Array.from({ length: size }, () => random.next()),
        ),
      );
    else out.set(name, Tensor.raw(type.dataType, dims, new Uint8Array(byteSize(type.dataType, size))));
  }
  return out;
}
