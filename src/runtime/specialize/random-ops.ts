import type { Node } from '../../onnx/index.js';

const RANDOM: ReadonlySet<string> = new Set([
  'Bernoulli',
  'Multinomial',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
]);

/** Whether two runs of the node may differ: random generators, and Dropout while it is live. */
export function isRandom(node: Node): boolean {
  return node.domain === '' && (RANDOM.has(node.opType) || isLiveDropout(node));
}

/** Dropout 12 and up is live when its training_mode input is, or may become, true. Older ones pass their input through. */
export function isLiveDropout(node: Node): boolean {
  if (node.opType !== 'Dropout' || node.domain !== '') return false;
  const mode = node.inputs[2];
  if (!mode) return false;
  const known = mode.constant;
  return known === undefined || known.typed()[0] !== 0;
}
