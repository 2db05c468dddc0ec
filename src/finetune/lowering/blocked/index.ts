/**
 * The blocked lowering: the runtime's own NCHWc kernels with weights computed in the graph, for its CPU provider. Autodiff
 * knows nothing of it: this pass walks the graph in order, computes on blocked tensors what has a blocked form, and
 * converts where something has not.
 */
import type { GraphBuilder, Node, Value } from '../../../onnx/index.js';
import { isInternal, isInternalOp } from '../../autodiff/internal.js';
import { emitLowered, type Shared } from '../lower.js';
import type { LoweredParameter, Lowering, TrainedParameter } from '../lowering.js';
import { portable } from '../portable/index.js';
import { clip, hardSwishGrad, rectifierGrad, relu } from './activation.js';
import { NCHWC_DOMAIN } from './block.js';
import { conv } from './conv.js';
import { add, ELEMENTWISE, elementwise, mul, pass } from './elementwise.js';
import { convInputGrad } from './input-grad.js';
import { packInGraph, unpackInGraph } from './kernel.js';
import { maxPool } from './max-pool.js';
import { maxPoolGrad } from './max-pool-grad.js';
import { Nchwc } from './nchwc.js';
import { batchNorm, batchNormTrain, batchNormTrainGrad, type StatisticsTable } from './norm.js';
import { averagePool, averagePoolGrad, expand, globalPool, reduceMean, reduceSum } from './pool.js';
import { concat, gather, pad, slice } from './rearrange.js';
import { gramKernel, refocusKernel, refocusMapGrad } from './refocus.js';
import type { BlockedContext, BlockedRule } from './rule.js';
import { sameLayout, Tracker } from './tracker.js';
import { addScaled } from './vector.js';
import { convWeightGrad } from './weight-grad.js';

/** Rules by operator; statistics of a BatchNormalization go from its forward to its backward node. */
function rulesOf(
  statistics: StatisticsTable,
  portably: (c: BlockedContext) => readonly Value[],
): ReadonlyMap<string, BlockedRule> {
  return new Map<string, BlockedRule>([
    ...ELEMENTWISE.map((op) => [op, elementwise] as const),
    ['Add', add],
    ['AveragePool', averagePool],
    ['AveragePoolGrad', averagePoolGrad],
    ['BatchNormTrain', (c) => batchNormTrain(c, statistics)],
    ['BatchNormTrainGrad', (c) => batchNormTrainGrad(c, statistics)],
    ['BatchNormalization', batchNorm],
    ['Clip', clip],
    ['ClipGrad', rectifierGrad],
    ['Concat', concat],
    ['Conv', conv],
    ['ConvInputGrad', convInputGrad],
    ['ConvWeightGrad', convWeightGrad],
    ['Dropout', pass],
    ['Expand', expand],
    ['Gather', gather],
    ['GlobalAveragePool', globalPool],
    ['GlobalMaxPool', globalPool],
    ['HardSwishGrad', hardSwishGrad],
    ['Identity', pass],
    ['MaxPool', maxPool],
    ['MaxPoolGrad', maxPoolGrad],
    ['Mul', mul],
    ['Pad', pad],
    ['ReduceMean', reduceMean],
    ['ReduceSum', reduceSum],
    ['RefocusKernel', (c) => refocusKernel(c, () => portably(c)[0])],
    ['RefocusMapGrad', refocusMapGrad],
    ['GramKernel', (c) => gramKernel(c, () => portably(c)[0])],
    ['Relu', relu],
    ['ReluGrad', rectifierGrad],
    ['Slice', slice],
  ]);
}

/** @param block B, as the runtime was asked for it */
export function blockedLowering(block: number): Lowering {
  return {
    name: 'blocked',
    opsets: new Map([[NCHWC_DOMAIN, 1]]),
    lower: (b, parameters) => lowerBlocked(b, block, parameters),
    addScaled: (b, sum, v, factor) => addScaled(new Nchwc(b, block), sum, v, factor),
  };
}

function lowerBlocked(
  b: GraphBuilder,
  block: number,
  parameters: readonly TrainedParameter[],
): readonly LoweredParameter[] {
  const { graph } = b;
  const n = new Nchwc(b, block);
  const t = new Tracker(n, new Set(parameters.map((p) => p.value)));
  const shared: Shared = new Map();
  const onPlain = (node: Node): void => {
    for (const [index, v] of node.inputs.entries()) {
      if (!v || t.isPlain(v)) continue;
      const plain = b.scope(v.name, () => t.plain(v));
      node.setInput(index, plain);
    }
  };
  const portably = ({ node }: Pick<BlockedContext, 'node'>): readonly Value[] => {
    onPlain(node);
    return emitLowered(b, node, portable, shared);
  };
  const rules = rulesOf(new Map(), portably);
  const replaced = new Set<Node>();
  for (const node of [...graph.nodes]) {
    const rule = usable(node) ? rules.get(node.opType) : undefined;
    b.at({ before: node }, () => {
      const context: BlockedContext = { b, n, t, node, shape: (v) => shapeOf(node, v) };
      const name = node.name || node.outputs[0].name;
      if (rule && b.scope(name, () => rule(context))) replaced.add(node);
      else if (isInternal(node)) {
        const made = portably(context);
        for (const [i, output] of node.outputs.entries()) t.replace(output, made[i]);
        replaced.add(node);
      } else onPlain(node);
    });
  }
  for (const output of [...graph.outputs]) if (!t.isPlain(output)) keepOutput(b, t, output);
  graph.removeNodes(replaced);
  return parameters.map((p) => parameterOf(b, t, { ...p, gradient: t.current(p.gradient) }));
}

/** Float maps, in standard operators or ours. */
function usable(node: Node): boolean {
  return (
    (node.domain === '' || (isInternal(node) && isInternalOp(node.opType))) && node.subgraphs.length === 0
  );
}

function keepOutput(b: GraphBuilder, t: Tracker, output: Value): void {
  const plain = t.plain(output);
  for (const [index, v] of b.graph.outputs.entries()) if (v === output) b.graph.setOutput(index, plain);
}

/** The state of a parameter is packed where a convolution wanted it so; its gradient follows. */
function parameterOf(b: GraphBuilder, t: Tracker, { value, gradient }: TrainedParameter): LoweredParameter {
  const kernel = t.packed(value);
  const computed = t.packed(gradient);
  if (!kernel) return { value, gradient: t.plain(gradient) };
  const { layout } = kernel;
  if (value.uses.length > 0) {
    const [first] = b.graph.nodes;
    const dims = value.shape ?? layout.dims;
    const plain = b.at({ before: first }, () =>
      b.op('Reshape', [unpackInGraph(b, layout, kernel.value), b.i64(dims)]),
    );
    b.graph.replaceUses(value, plain);
  }
  const packed =
    computed && sameLayout(computed.layout, layout)
      ? computed.value
      : packInGraph(b, layout, t.plain(gradient));
  return { value: kernel.value, gradient: packed, layout };
}

function shapeOf(node: Node, v: Value): readonly number[] {
  if (!v.shape) throw new Error(`${node.describe()}: the shape of '${v.name}' is not known`);
  return v.shape;
}
