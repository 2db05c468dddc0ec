import { convAttributes, inferShapes, type Model, type Node, resolvePads } from '../../onnx/index.js';
import { mapOf } from '../channels.js';
import type { Adjustment } from './naming.js';

/** Writes what a package computes differently into the graph. */
export function adjust(model: Model, { epsilon, padding }: Adjustment): void {
  const { nodes } = model.graph;
  if (epsilon !== undefined)
    for (const node of nodes)
      if (node.opType === 'BatchNormalization') node.setAttribute('epsilon', { float: epsilon });
  if (padding === undefined) return;
  const windows = nodes.filter(hasSharedPadding);
  const behind = windows.filter((node) => padding === 'behind' && convAttributes(node).groups > 1);
  for (const node of behind) node.setAttribute('pads', [0, 0, 1, 1]);
  // That makes maps of odd sides smaller.
  if (behind.length > 0) inferShapes(model);
  for (const node of windows) if (!behind.includes(node)) padAsTensorFlow(node);
}

/** Without a stride both rules give the same; without padding there is nothing to share out. */
function hasSharedPadding(node: Node): boolean {
  if (node.opType !== 'Conv') return false;
  const { pads, strides } = convAttributes(node);
  return strides.some((s) => s > 1) && pads.some((p) => p > 0);
}

function padAsTensorFlow(node: Node): void {
  const [input] = node.inputs;
  if (!input) throw new Error(`${node.name} has no input`);
  node.setAttribute('pads', resolvePads({ ...convAttributes(node), autoPad: 'SAME_UPPER' }, mapOf(input)));
}
