import {
  convAttributes,
  convTransposeAttributes,
  type Graph,
  type Node,
  poolAttributes,
  resolvePads,
  resolveTransposePads,
} from '../../onnx/index.js';

/**
 * Writes, in place, `auto_pad` of convolutions and pools as explicit pads, where the spatial dims of the input are known.
 * (A runtime's GPU kernels are less well tested with auto_pad: onnxruntime issue 26734.)
 * @returns the nodes changed
 */
export function makePadsExplicit(graph: Graph): Node[] {
  const changed: Node[] = [];
  for (const node of graph.nodes) {
    const spatial = node.domain === '' ? node.inputs[0]?.shape?.slice(2) : undefined;
    const mode = node.string('auto_pad', 'NOTSET');
    if (!spatial || mode === 'NOTSET' || mode === '') continue;
    const pads = padsOf(node, spatial);
    if (!pads) continue;
    node.attributes.delete('auto_pad');
    node.setAttribute('pads', pads);
    changed.push(node);
  }
  return changed;
}

function padsOf(node: Node, spatial: readonly number[]): readonly number[] | undefined {
  switch (node.opType) {
    case 'Conv':
      return resolvePads(convAttributes(node), spatial);
    case 'AveragePool':
    case 'LpPool':
    case 'MaxPool':
      return resolvePads(poolAttributes(node), spatial);
    case 'ConvTranspose': {
      const attributes = convTransposeAttributes(node);
      return attributes.outputShape ? undefined : resolveTransposePads(attributes, spatial);
    }
    default:
      return undefined;
  }
}
