import { UnsupportedError } from '../../base/errors.js';
import { GraphBuilder } from '../builder.js';
import { inferTypes } from '../infer/graph.js';
import { inferNode } from '../infer/node.js';
import type { Graph } from '../ir/graph.js';
import type { Model } from '../ir/model.js';
import type { Node } from '../ir/node.js';
import { checkNode, OLDEST_OPSET } from '../ops/check.js';
import { schemaOf } from '../ops/schemas.js';
import { constantsToInitializers } from './constants.js';
import type { PassResult } from './dead-nodes.js';
import { DOWNGRADES } from './downgrades.js';
import { type Step, UPGRADES, type UpgradeContext } from './upgrades.js';

/** The IR version that came with opset 15; lower ones want every initializer among the inputs. */
const LEAST_IR = 8;

/**
 * Brings a model, in place, to one version of the ai.onnx operator set without changing what it computes: attributes that
 * became inputs, changed defaults, replaced operators. Constant nodes become initializers. Nodes of newer opsets are
 * brought back where the older operator means the same. For graphs to train and evaluate; written files keep theirs.
 * @throws UnsupportedError naming a node that cannot be brought to `target`
 */
export function upgradeOpset(model: Model, target = 20): PassResult {
  const from = model.opset;
  if (from < OLDEST_OPSET)
    throw new UnsupportedError({
      problem: `${model.source ?? 'the model'}: opset ${from} of ai.onnx`,
      expected: `${OLDEST_OPSET} or newer`,
      found: `${from}`,
      hint: 'Convert the model to a newer opset first (onnx.version_converter, or export it again).',
    });
  const { modified } = constantsToInitializers(model.graph);
  if (from === target) return { modified };
  const { types } = inferTypes(model);
  const upgrade = new Upgrade(from, target, (value) => types.get(value) ?? value.type);
  upgrade.graph(model.graph);
  model.opsets.set('', target);
  model.irVersion = Math.max(model.irVersion, LEAST_IR);
  return { modified: true };
}

class Upgrade {
  readonly #from: number;
  readonly #target: number;
  readonly #typeOf: UpgradeContext['typeOf'];

  constructor(from: number, target: number, typeOf: UpgradeContext['typeOf']) {
    this.#from = from;
    this.#target = target;
    this.#typeOf = typeOf;
  }

  graph(graph: Graph): void {
    for (const node of [...graph.nodes]) {
      for (const inner of node.subgraphs) this.graph(inner);
      if (node.domain === '') this.#node(graph, node);
    }
  }

  #node(graph: Graph, start: Node): void {
    let node: Node | undefined = start;
    const context = (n: Node, opset: number): UpgradeContext => {
      const builder = new GraphBuilder(graph, opset, { place: { before: n }, infer: inferNode });
      return { graph, from: this.#from, typeOf: this.#typeOf, builder };
    };
    const name = start.describe();
    if (this.#from < this.#target) {
      // A step may change the operator, whose own later steps then follow.
      for (let at = this.#from + 1; node && at <= this.#target; at++) {
        const step: Step | undefined = UPGRADES[node.opType]?.[at];
        if (step) node = step(node, context(node, at));
      }
    } else {
      const since = schemaOf(node.opType, this.#from)?.since ?? 0;
      const step = since > this.#target ? DOWNGRADES[node.opType] : undefined;
      if (step) node = step(node, context(node, this.#target));
    }
    if (!node) return;
    try {
      checkNode(node, this.#target);
    } catch (cause) {
      throw new UnsupportedError({
        problem: `${name} of opset ${this.#from} cannot be brought to opset ${this.#target}`,
        ...(cause instanceof Error && { found: cause.message }),
        cause,
      });
    }
  }
}
