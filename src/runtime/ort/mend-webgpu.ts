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
 * A model that the WebGPU provider (1.30) computes right. It gets two kinds of dense convolutions wrong:
 *
 * - Input channels that are a multiple of 3 and not of 4, output channels a multiple of 4: it loads three channels at a
 *   time, and its result is wrong unless there are just three. They get input channels of zeros, up to a multiple of 4.
 * - A kernel as large as the input, without padding at the begin: it takes that for a single window, whatever padding there
 *   is at the end. The input gets its padding before; channels of zeros keep the runtime from fusing that in again.
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
  for (const [i, node] of [...copy.graph.nodes].entries()) {
    const mend = mends[i];
    if (!mend) continue;
    const b = new GraphBuilder(copy.graph, copy.opset, { place: { before: node } });
    const { channels, ends } = mend;
    node.setInput(0, padEnds(b, node.input(0), [0, channels, ...(ends ?? [0, 0])]));
    node.setInput(1, padEnds(b, node.input(1), [0, channels, 0, 0]));
    if (!ends) continue;
    node.setAttribute('auto_pad', 'NOTSET');
    node.setAttribute('pads', [0, 0, 0, 0]);
  }
  return copy;
}

/** What a convolution gets before it. */
interface Mend {
  /** Input channels of zeros. */
  readonly channels: number;
  /** Its padding, which it then has no more. */
  readonly ends?: readonly number[];
}

type TypeOf = (value: Value) => ValueType | undefined;

function mendOf(node: Node, typeOf: TypeOf): Mend | undefined {
  if (node.opType !== 'Conv' || node.domain !== '' || node.int('group', 1) !== 1) return undefined;
  const [outputs, channels, ...kernel] = staticShape(typeOf(node.input(1))) ?? [];
  if (kernel.length !== 2) return undefined;
  const upToFour = 4 - (channels % 4);
  const ends = lostPads(node, kernel, typeOf);
  if (ends) return { channels: upToFour, ends };
  const threes = channels > 3 && channels % 3 === 0 && channels % 4 !== 0 && outputs % 4 === 0;
  return threes ? { channels: upToFour } : undefined;
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
