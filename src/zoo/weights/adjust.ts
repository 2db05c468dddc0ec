import { convAttributes, inferShapes, type Model, type Node } from '../../onnx/index.js';
import { makePadsExplicit } from '../../runtime/specialize/index.js';
import type { Adjustment } from './naming.js';

/** Writes what a package computes differently into the graph. */
export function adjust(model: Model, { epsilon, padding }: Adjustment): void {
  for (const node of model.graph.nodes) {
    if (epsilon !== undefined && node.opType === 'BatchNormalization')
      node.setAttribute('epsilon', { float: epsilon });
    if (padding !== undefined && node.opType === 'Conv') pad(node, padding);
  }
  if (padding === undefined) return;
  // Padding behind makes maps of odd sides smaller, which those after them are padded by.
  inferShapes(model);
  makePadsExplicit(model.graph);
}

function pad(node: Node, padding: 'same' | 'behind'): void {
  const { pads, strides } = convAttributes(node);
  // Without a stride both rules give the same; without padding there is nothing to share out.
  if (strides.every((s) => s === 1) || pads.every((p) => p === 0)) return;
  if (padding === 'behind' && node.int('group', 1) > 1) {
    node.setAttribute('pads', [0, 0, 1, 1]);
    return;
  }
  node.attributes.delete('pads');
  node.setAttribute('auto_pad', 'SAME_UPPER');
}
