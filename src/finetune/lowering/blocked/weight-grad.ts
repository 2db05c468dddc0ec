/**
 * dW of a convolution on blocked tensors: which formulation by the shape (cost.ts). All end in the packed layout of the
 * kernel without element-wise transposes.
 */
import type { Value } from '../../../onnx/index.js';
import { geometryOf } from '../../autodiff/geometry.js';
import { axesOf, kernelLayout } from './geometry.js';
import { gradientOf } from './input-grad.js';
import { type KernelLayout, scaleOutputs } from './kernel.js';
import { onlyRefocused, refocusLayout } from './refocus.js';
import type { BlockedContext } from './rule.js';
import { depthwise } from './weight-grad/depthwise.js';
import { denseWeightGrad } from './weight-grad/formulations.js';
import { byMaps } from './weight-grad/maps.js';
import type { WeightGradTask } from './weight-grad/task.js';

export function convWeightGrad(c: BlockedContext): boolean {
  const { n, t, node } = c;
  const [dy, x] = [node.input(0), node.input(1)];
  const unstored = t.entry(dy);
  if (unstored?.kind === 'unstored') {
    const { kernel, layout } = unstored.gradient;
    t.setKernel(node.output(), { layout, value: kernel });
    return true;
  }
  const [xShape, wShape, dyShape] = [c.shape(x), c.shape(node.output()), c.shape(dy)];
  const g = geometryOf(node);
  const layout = kernelLayout(xShape, wShape, g.group, n.block, t.isPlain(x));
  if (!layout) return false;
  const axes = axesOf(g, xShape.slice(2), dyShape.slice(2));
  // A dilated one may have taps that read nothing but padding.
  if (layout.kind === 'stem' && axes.some((a) => a.dilation !== 1)) return false;
  const { gradient, factor } = gradientOf(c, dy);
  const source = layout.kind === 'stem' ? x : t.clean(x).value;
  const wanted = layout.kind === 'dense' && onlyRefocused(node.output()) ? refocusLayout(layout) : layout;
  const task: WeightGradTask = {
    n,
    t,
    kind: wanted.kind === 'depthwise' ? 'dense' : wanted.kind,
    x: source,
    dy: gradient.value,
    images: xShape[0],
    inputs: layout.kind === 'stem' ? xShape[1] : n.padded(xShape[1]),
    outputs: n.padded(wShape[0]),
    axes,
  };
  const value = formulate(task, wanted);
  t.setKernel(node.output(), {
    layout: wanted,
    value: factor ? scaleOutputs(n.b, wanted, value, factor) : value,
  });
  return true;
}

function formulate(task: WeightGradTask, { kind }: KernelLayout): Value {
  if (kind === 'depthwise') return depthwise(task);
  return kind === 'stem' ? byMaps(task) : denseWeightGrad(task);
}
