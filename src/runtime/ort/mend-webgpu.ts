import { cloneModel, GraphBuilder, type Model, type Node, Tensor, type Value } from '../../onnx/index.js';

/**
 * A model that the WebGPU provider (1.30) computes right. Where the input channels of a dense convolution are a multiple
 * of 3 and not of 4, and the output channels a multiple of 4, it loads three channels at a time, and its result is wrong
 * unless there are just three: such a convolution gets input channels of zeros, up to a multiple of 4.
 * @returns a copy, or the model itself where nothing is to be mended
 */
export function mendForWebgpu(model: Model): Model {
  if (!model.graph.nodes.some((n) => missingChannels(n) > 0)) return model;
  const copy = cloneModel(model);
  for (const node of [...copy.graph.nodes]) {
    const missing = missingChannels(node);
    if (missing === 0) continue;
    const b = new GraphBuilder(copy.graph, copy.opset, { place: { before: node } });
    const [x, w] = [node.input(0), node.input(1)];
    node.setInput(0, padChannels(b, x, missing));
    node.setInput(1, padChannels(b, w, missing));
  }
  return copy;
}

/** How many input channels a convolution lacks for what the provider computes right. */
function missingChannels(node: Node): number {
  if (node.opType !== 'Conv' || node.domain !== '') return 0;
  const group = node.attributes.get('group');
  if (group?.type === 'int' && group.value !== 1n) return 0;
  const dims = node.inputs[1]?.shape;
  if (dims?.length !== 4) return 0;
  const [outputs, channels] = dims;
  return channels > 3 && channels % 3 === 0 && channels % 4 !== 0 && outputs % 4 === 0
    ? 4 - (channels % 4)
    : 0;
}

/** Zeros after the second axis of a tensor of rank 4. */
function padChannels(b: GraphBuilder, value: Value, count: number): Value {
  const pads = [0, 0, 0, 0, 0, count, 0, 0];
  // From opset 11 on the pads are an input.
  return b.opset < 11
    ? b.op('Pad', [value], { pads })
    : b.op('Pad', [value, b.constant(Tensor.int64([8], pads))]);
}
