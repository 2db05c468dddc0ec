import {
  batchNormAttributes,
  eliminateDeadNodes,
  type Graph,
  type Model,
  type Node,
  rebuildNode,
} from '../../onnx/index.js';
import { isLiveDropout, isRandom } from './random-ops.js';
import { dropStochasticDepth, stochasticDepthOf } from './stochastic-depth.js';

export interface TrainingNodes {
  /** BatchNormalization that normalizes with the statistics of the batch. */
  readonly batchNorms: readonly Node[];
  /** Dropout that really drops. */
  readonly dropouts: readonly Node[];
  /** Other random nodes: traced stochastic depth, and noise, which has no inference form. */
  readonly random: readonly Node[];
}

/** The nodes of a model, sub-graphs included, that behave as in training: nobody wants them in a deployed file. */
export function findTrainingNodes(model: Model): TrainingNodes {
  const batchNorms: Node[] = [];
  const dropouts: Node[] = [];
  const random: Node[] = [];
  for (const node of allNodes(model.graph)) {
    if (isTrainingBatchNorm(node, model.opset)) batchNorms.push(node);
    else if (isLiveDropout(node)) dropouts.push(node);
    else if (isRandom(node)) random.push(node);
  }
  return { batchNorms, dropouts, random };
}

export interface InferenceModeResult {
  readonly modified: boolean;
  /** Names of what was changed. */
  readonly nodes: readonly string[];
  /** Names of random nodes that stay. */
  readonly random: readonly string[];
}

export interface InferenceModeOptions {
  /**
   * Dropout nodes stay, in their inference form, for who brings them to life again, and stochastic depth stays as it is.
   * Default: false, they go.
   */
  readonly keepDropout?: boolean;
}

/**
 * Brings a model exported in training mode into inference mode, in place: BatchNormalization reads its running
 * statistics, Dropout and stochastic depth pass their input through. Outputs for new statistics go; where they are read, or are graph
 * outputs, the running statistics stand in.
 */
export function toInferenceMode(model: Model, options: InferenceModeOptions = {}): InferenceModeResult {
  const { batchNorms, dropouts, random } = findTrainingNodes(model);
  const { keepDropout = false } = options;
  const depths = keepDropout ? [] : random.flatMap((node) => stochasticDepthOf(node) ?? []);
  const left = random.filter((node) => !depths.some(({ chain }) => chain.includes(node)));
  const nodes = [...batchNorms, ...dropouts, ...depths.map((d) => d.chain[0])].map((n) => n.describe());
  for (const node of batchNorms) freezeBatchNorm(node);
  for (const node of dropouts) dropDropout(node, keepDropout);
  for (const depth of depths) dropStochasticDepth(depth);
  if (nodes.length > 0) eliminateDeadNodes(model.graph);
  return { modified: nodes.length > 0, nodes, random: left.map((n) => n.describe()) };
}

function isTrainingBatchNorm(node: Node, opset: number): boolean {
  return (
    node.opType === 'BatchNormalization' && node.domain === '' && batchNormAttributes(node, opset).training
  );
}

/** Outputs of the training form: Y, mean, variance, and below opset 14 saved mean and variance. */
function freezeBatchNorm(node: Node): void {
  const { graph } = node;
  if (!graph) return;
  node.outputs.slice(1).forEach((old, i) => {
    if (old.isDead) return;
    const statistic = node.input(3 + (i % 2));
    if (graph.outputs.includes(old)) {
      const copy = graph.addNode(
        { opType: 'Identity', inputs: [statistic], outputs: [graph.uniqueName(old.name)] },
        { before: node },
      );
      const output = copy.output();
      output.type = old.type;
      graph.replaceUses(old, output);
      // The signature of the model keeps its names.
      output.name = old.name;
    } else graph.replaceUses(old, statistic);
  });
  rebuildNode(node, { outputs: 1, attributes: { training_mode: undefined } });
}

function dropDropout(node: Node, keep: boolean): void {
  const { graph } = node;
  const [y, mask] = node.outputs;
  if (!graph || !y) return;
  const maskRead = mask !== undefined && !mask.isDead;
  // Without its third input Dropout passes the data through; a graph output keeps its name that way.
  if (keep) node.truncateInputs(2);
  else if (maskRead || graph.outputs.includes(y)) node.truncateInputs(1);
  else graph.replaceUses(y, node.input(0));
}

function* allNodes(graph: Graph): Generator<Node> {
  const stack = [...graph.nodes];
  for (let node = stack.pop(); node; node = stack.pop()) {
    yield node;
    for (const inner of node.subgraphs) stack.push(...inner.nodes);
  }
}
