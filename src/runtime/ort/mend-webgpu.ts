import {
  cloneModel,
  GraphBuilder,
  inferTypes,
  type Model,
  type Node,
  staticShape,
  Tensor,
  type Value,
  type ValueType,
} from '../../onnx/index.js';
import { convAttributes, resolvePads } from '../../onnx/ops/index.js';

/**
 * A model that the WebGPU provider (1.30) computes right. It gets three kinds of convolutions wrong:
 *
 * - Dense, input channels a multiple of 3 and not of 4, output channels a multiple of 4: it loads three channels at a
 *   time, and its result is wrong unless there are just three. They get input channels of zeros, up to a multiple of 4.
 * - Dense, a kernel as large as the input, without padding at the begin: it takes that for a single window, whatever padding there
 *   is at the end. The input gets its padding before; channels of zeros keep the runtime from fusing that in again.
 * - Transposed, in groups of one output channel and an even number of input channels: it reads other groups' kernels. Each
 *   group gets a second output channel, of zeros, which is dropped again.
 * @returns a copy, or the model itself where nothing is to be mended
 */
export function mendForWebgpu(model: Model): Model {
  let inferred: ReadonlyMap<Value, ValueType> | undefined;
  const typeOf = (value: Value): ValueType | undefined => {
    if (value.type) return value.type;
    inferred ??= inferTypes(model).types;
    return inferred.get(value);
  };
  const mends = model.graph.nodes.map((node) => mendOf(node, typeOf));
  if (mends.every((m) => m === undefined)) return model;
  const copy = cloneModel(model);
  for (const [i, node] of [...copy.graph.nodes].entries()) mends[i]?.(node, copy);
  return copy;
}

type TypeOf = (value: Value) => ValueType | undefined;

/** Changes a node, and puts others around it. */
type Mend = (node: Node, model: Model) => void;

function mendOf(node: Node, typeOf: TypeOf): Mend | undefined {
  if (node.domain !== '') return undefined;
  const group = node.int('group', 1);
  if (node.opType === 'Conv' && group === 1) return mendDense(node, typeOf);
  if (node.opType === 'ConvTranspose' && group > 1) return mendTransposed(node, group, typeOf);
  return undefined;
}

function mendDense(node: Node, typeOf: TypeOf): Mend | undefined {
  const [outputs, channels, ...kernel] = staticShape(typeOf(node.input(1))) ?? [];
  if (kernel.length !== 2) return undefined;
  const more = 4 - (channels % 4);
  const ends = lostPads(node, kernel, typeOf);
  const threes = channels > 3 && channels % 3 === 0 && channels % 4 !== 0 && outputs % 4 === 0;
  if (!ends && !threes) return undefined;
  return (it, { graph, opset }) => {
    const b = new GraphBuilder(graph, opset, { place: { before: it } });
    it.setInput(0, padEnds(b, it.input(0), [0, more, ...(ends ?? [0, 0])]));
    it.setInput(1, padEnds(b, it.input(1), [0, more, 0, 0]));
    if (!ends) return;
    it.setAttribute('auto_pad', 'NOTSET');
    it.setAttribute('pads', [0, 0, 0, 0]);
  };
}

function mendTransposed(node: Node, group: number, typeOf: TypeOf): Mend | undefined {
  const [inputs, outputs, ...kernel] = staticShape(typeOf(node.input(1))) ?? [];
  if (kernel.length !== 2 || outputs !== 1 || (inputs / group) % 2 !== 0) return undefined;
  return (it, { graph, opset }) => {
    const before = new GraphBuilder(graph, opset, { place: { before: it } });
    it.setInput(1, padEnds(before, it.input(1), [0, 1, 0, 0]));
    const bias = it.inputs[2];
    // Twice each: what is added to the second channels is dropped with them.
    const twice = Array.from({ length: 2 * group }, (_, i) => i >> 1);
    if (bias) it.setInput(2, before.op('Gather', [bias, indices(before, twice)]));
    const after = new GraphBuilder(graph, opset, { place: { after: it } });
    const [whole] = it.outputs;
    const { name, type } = whole;
    // It has twice the channels now.
    whole.type = undefined;
    const firsts = indices(
      after,
      Array.from({ length: group }, (_, i) => 2 * i),
    );
    const kept = after.node('Gather', [whole, firsts], { axis: 1 });
    const result = kept.output();
    graph.replaceUses(whole, result);
    kept.setInput(0, whole);
    whole.name = graph.uniqueName(`${name}/both`);
    result.name = name;
    result.type = type;
  };
}

function indices(b: GraphBuilder, list: readonly number[]): Value {
  return b.constant(Tensor.int64([list.length], list));
}

/** The padding at the ends that the provider would pass over. */
function lostPads(node: Node, kernel: readonly number[], typeOf: TypeOf): readonly number[] | undefined {
  // For an input as large as the kernel, which is asked for last: it may take inferring all types.
  const pads = resolvePads(convAttributes(node, kernel), kernel);
  const ends = pads.slice(2);
  if (pads.slice(0, 2).some((p) => p > 0) || ends.every((p) => p === 0)) return undefined;
  const type = typeOf(node.input(0));
  const input = type?.kind === 'tensor' ? type.shape?.slice(2) : undefined;
  return kernel.every((k, i) => input?.[i] === k) ? ends : undefined;
}

/** Zeros after the axes of a tensor of rank 4. */
function padEnds(b: GraphBuilder, value: Value, ends: readonly number[]): Value {
  const pads = [0, 0, 0, 0, ...ends];
  // From opset 11 on the pads are an input.
  return b.opset < 11
    ? b.op('Pad', [value], { pads })
    : b.op('Pad', [value, b.constant(Tensor.int64([8], pads))]);
}
