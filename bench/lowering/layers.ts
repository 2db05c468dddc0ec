import { PREPROCESS_KEY, parsePreprocess } from '../../src/base/preprocess.js';
import { convGeometry } from '../../src/finetune/autodiff/geometry.js';
import { roundUp } from '../../src/finetune/lowering/blocked/block.js';
import { COST, type Costs, FORMS, type Form, formOf } from '../../src/finetune/lowering/blocked/cost.js';
import { axesOf, kernelLayout } from '../../src/finetune/lowering/blocked/geometry.js';
import { denseWeightGrad } from '../../src/finetune/lowering/blocked/weight-grad/formulations.js';
import { isPointwise, type WeightGradShape } from '../../src/finetune/lowering/blocked/weight-grad/task.js';
import { prepareTraining } from '../../src/finetune/step/prepare.js';
import type { Node } from '../../src/onnx/index.js';
import type { Engine } from '../../src/runtime/index.js';
import { buildModel } from '../../src/zoo/index.js';
import type { Emit } from './timing.js';

/** Networks whose layers are measured, with the images of a step. */
export const BATCHES = {
  mobilenetv2: 16,
  mobilenetv3large: 16,
  resnet18: 16,
  resnet50: 16,
  resnet20: 128,
} as const;

/** A dense convolution for whose dW there is a choice; channels are padded to whole blocks. */
export interface Layer {
  /** `3×3 /2 64→128 at 28×28, 16 images`: the size is that of dY. */
  readonly title: string;
  readonly shape: WeightGradShape;
  readonly pointwise: boolean;
  /** B */
  readonly block: number;
  /** Names in the zoo. */
  readonly networks: readonly string[];
}

/** The layers of the networks, each shape once. @param block B */
export async function layersOf(
  engine: Engine,
  block: number,
  batches: Readonly<Record<string, number>> = BATCHES,
): Promise<readonly Layer[]> {
  const found = new Map<string, { shape: WeightGradShape; networks: Set<string> }>();
  for (const [network, batch] of Object.entries(batches))
    for (const node of await convolutions(engine, network, batch)) {
      const shape = shapeOf(node, block);
      if (!shape) continue;
      const title = titleOf(shape);
      const known = found.get(title) ?? { shape, networks: new Set() };
      found.set(title, known);
      known.networks.add(network);
    }
  return Array.from(found, ([title, { shape, networks }]) => ({
    title,
    shape,
    pointwise: isPointwise(shape),
    block,
    networks: [...networks],
  }));
}

async function convolutions(engine: Engine, network: string, batch: number): Promise<readonly Node[]> {
  const model = buildModel(network);
  const { size } = parsePreprocess(model.metadata.get(PREPROCESS_KEY) ?? '', network);
  if (typeof size !== 'number') throw new Error(`${network} takes no square images`);
  const prepared = await prepareTraining(model, { batch, image: [3, size, size], engine });
  return prepared.model.graph.nodes.filter((node) => node.opType === 'Conv');
}

/** undefined: depthwise, or the network's first convolution. */
function shapeOf(node: Node, block: number): WeightGradShape | undefined {
  const [x, w, dy] = [node.input(0), node.input(1), node.output()].map((v) => {
    if (!v.shape) throw new Error(`${node.describe()}: the shape of '${v.name}' is not known`);
    return v.shape;
  });
  const g = convGeometry(node, x, w);
  if (kernelLayout(x, w, g.group, block, node.input(0).isInput)?.kind !== 'dense') return undefined;
  return {
    images: x[0],
    inputs: roundUp(x[1], block),
    outputs: roundUp(w[0], block),
    axes: axesOf(g, x.slice(2), dy.slice(2)),
  };
}

function titleOf({ images, inputs, outputs, axes }: WeightGradShape): string {
  const by = (each: readonly number[]): string => each.join('×');
  const stride = axes.every((a) => a.stride === 1) ? '' : ` /${axes[0].stride}`;
  const kernel = by(axes.map((a) => a.kernel));
  return `${kernel}${stride} ${inputs}→${outputs} at ${by(axes.map((a) => a.out))}, ${images} images`;
}

/** What can be measured of a layer. */
export function formsOf(layer: Layer): readonly Form[] {
  return layer.pointwise ? FORMS : ['maps'];
}

/** The form that training takes. */
export function chosen({ shape, block }: Layer): Form {
  return formOf(shape, block);
}

/** Milliseconds. */
export function estimate({ shape, block }: Layer, form: Form, costs: Costs): number {
  return COST[form](shape, costs, block) / 1e6;
}

/** The gradient computed in one way, from X and dY. */
export function formulation({ shape }: Layer, form: Form): Emit {
  return (n, t, [x, dy]) => denseWeightGrad({ ...shape, kind: 'dense', n, t, x, dy }, form);
}
