import { packedDims, unpackInGraph } from '../../src/finetune/lowering/blocked/kernel.js';
import { cloneModel, GraphBuilder, type Model, type Node, sizeOf, type Value } from '../../src/onnx/index.js';

const DOMAIN = 'com.microsoft.nchwc';

/**
 * A copy of a model in which each of the runtime's operators on blocked tensors is written in standard ones: what they
 * mean, said a second time. So a graph for any block size is evaluated in float64 on any machine. Refuses what the runtime
 * refuses or reads wrongly, and a node whose declared dims are not those of its result.
 * @param block B, channels to a block
 */
export function unblocked(source: Model, block: number): Model {
  const model = cloneModel(source);
  const b = new GraphBuilder(model.graph, model.opset);
  for (const node of [...model.graph.nodes]) {
    if (node.domain !== DOMAIN) continue;
    const output = node.output();
    const made = b.at({ before: node }, () => b.scope(node.name, () => ruleFor(node)({ b, node, block })));
    require(node, sameDims(made.shape, output.shape), `declared dims [${made.shape}]`, output.shape);
    model.graph.replaceUses(output, made);
    for (const [i, v] of model.graph.outputs.entries()) if (v === output) model.graph.setOutput(i, made);
    model.graph.removeNode(node);
  }
  model.opsets.delete(DOMAIN);
  return model;
}

interface Context {
  readonly b: GraphBuilder;
  readonly node: Node;
  readonly block: number;
}

type Rule = (c: Context) => Value;

const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ['AveragePool', pool],
  ['Conv', conv],
  ['GlobalAveragePool', pool],
  ['GlobalMaxPool', pool],
  ['MaxPool', pool],
  ['ReorderInput', reorderInput],
  ['ReorderOutput', reorderOutput],
]);

function ruleFor(node: Node): Rule {
  const rule = RULES.get(node.opType);
  if (!rule) throw new Error(`${node.describe()}: what it means is not written down here`);
  return rule;
}

function require(node: Node, holds: boolean, expected: string, found: unknown): asserts holds {
  if (!holds) throw new Error(`${node.describe()}: expected ${expected}, found ${JSON.stringify(found)}`);
}

function sameDims(p: readonly number[] | undefined, q: readonly number[] | undefined): boolean {
  return p !== undefined && q !== undefined && p.length === q.length && p.every((d, i) => d === q[i]);
}

function dimsOf(v: Value): readonly number[] {
  if (!v.shape) throw new Error(`the shape of '${v.name}' is not known`);
  return v.shape;
}

/** [N, C, H, W] → [N, Cp, H, W], channels padded with zeros and put into blocks. */
function intoBlocks({ b, block }: Context, v: Value): Value {
  const [n, c, h, w] = dimsOf(v);
  const blocks = Math.ceil(c / block);
  const padded = b.op('Pad', [v, b.i64([0, 0, 0, 0, 0, blocks * block - c, 0, 0])]);
  const split = b.op('Reshape', [padded, b.i64([n, blocks, block, h, w])]);
  const turned = b.op('Transpose', [split], { perm: [0, 1, 3, 4, 2] });
  return b.op('Reshape', [turned, b.i64([n, blocks * block, h, w])]);
}

/** The other way; all padded channels. */
function fromBlocks({ b, block, node }: Context, v: Value): Value {
  const [n, c, h, w] = dimsOf(v);
  require(node, c % block === 0, `a multiple of ${block} channels`, c);
  const split = b.op('Reshape', [v, b.i64([n, c / block, h, w, block])]);
  const turned = b.op('Transpose', [split], { perm: [0, 1, 4, 2, 3] });
  return b.op('Reshape', [turned, b.i64([n, c, h, w])]);
}

function reorderInput(c: Context): Value {
  const { node } = c;
  const [, channels] = dimsOf(node.input(0));
  // The runtime refuses other counts.
  require(node, channels % 4 === 0, 'a multiple of 4 channels', channels);
  return intoBlocks(c, node.input(0));
}

function reorderOutput(c: Context): Value {
  const { b, node } = c;
  const channels = node.int('channels', 0);
  const whole = fromBlocks(c, node.input(0));
  require(node, channels > 0 && channels <= dimsOf(whole)[1], 'a count of channels that are there', channels);
  const plain = b.op('Slice', [whole, b.i64([0]), b.i64([channels]), b.i64([1])]);
  return node.int('channels_last', 0) === 0 ? plain : b.op('Transpose', [plain], { perm: [0, 2, 3, 1] });
}

/** Y = activation(W ∗ X + bias + sum). */
function conv(c: Context): Value {
  const { b, node, block } = c;
  const [x, w] = [node.input(0), node.input(1)];
  const [outputs, perGroup, ...kernel] = dimsOf(w);
  const group = node.int('group', 1);
  const pads = node.ints('pads') ?? [];
  require(node, pads.every((p) => p >= 0), 'pads of at least 0', pads);
  require(node, sameDims(kernel, node.ints('kernel_shape')), `kernel_shape [${kernel}]`, node.ints(
    'kernel_shape',
  ));
  const [, channels] = dimsOf(x);
  const [kind, source] =
    group === 1
      ? // A kernel of fewer input channels than a block is for an input in NCHW.
        perGroup < block
        ? (['stem', x] as const)
        : (['dense', fromBlocks(c, x)] as const)
      : outputs === group
        ? (['depthwise', fromBlocks(c, x)] as const)
        : // The kernels of the groups lie one behind the other, each as it would be alone.
          perGroup < block
          ? (['stem', x] as const)
          : (['dense', fromBlocks(c, x)] as const);
  if (kind === 'depthwise')
    require(node, perGroup === 1 && group === outputs, 'one channel to a group', [outputs, perGroup]);
  else
    require(node, (outputs / group) % block === 0 &&
      (perGroup < block || perGroup % block === 0), 'whole blocks in each group', [
      outputs / group,
      perGroup,
    ]);
  require(node, channels < block ||
    channels % block === 0, `fewer than ${block} channels, or a multiple`, channels);
  require(node, perGroup * group === channels, `a kernel for ${channels} channels`, [outputs, perGroup]);
  require(node, outputs % block === 0, `a multiple of ${block} output channels`, outputs);
  const layout = { kind, block, dims: dimsOf(w) };
  require(node, sameDims(packedDims(layout), dimsOf(w)), `a packed kernel of ${kind}`, dimsOf(w));
  const plain = unpackInGraph(b, layout, w);
  const attributes = Object.fromEntries(
    [...node.attributes].filter(([name]) => name !== 'activation' && name !== 'activation_params'),
  );
  const y = b.op('Conv', [source, plain, node.inputs[2]], attributes);
  const sum = node.inputs[3];
  const added = sum ? b.op('Add', [y, fromBlocks(c, sum)]) : y;
  return intoBlocks(c, activated(c, added));
}

function activated({ b, node }: Context, v: Value): Value {
  const name = node.string('activation', '');
  const parameters = node.floats('activation_params') ?? [];
  switch (name) {
    case '':
      return v;
    case 'Relu':
    case 'Sigmoid':
    case 'Tanh':
      return b.op(name, [v]);
    case 'Clip':
      require(node, parameters.length === 2, 'two bounds', parameters);
      return b.op('Clip', [v, b.f32(parameters[0]), b.f32(parameters[1])]);
    case 'HardSigmoid':
      require(node, parameters.length === 2, 'alpha and beta', parameters);
      return b.op('HardSigmoid', [v], { alpha: { float: parameters[0] }, beta: { float: parameters[1] } });
    default:
      throw new Error(`${node.describe()}: activation ${name}`);
  }
}

function pool(c: Context): Value {
  const { b, node } = c;
  const kernel = node.ints('kernel_shape') ?? [];
  const pads = node.ints('pads') ?? [];
  require(node, pads.every(
    (p, i) => p >= 0 && p < kernel[i % kernel.length],
  ), 'pads smaller than the kernel', pads);
  const y = b.op(node.opType, [fromBlocks(c, node.input(0))], Object.fromEntries(node.attributes));
  require(node, sizeOf(dimsOf(y)) > 0, 'windows', dimsOf(y));
  return intoBlocks(c, y);
}
