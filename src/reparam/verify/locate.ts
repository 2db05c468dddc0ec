import { type Model, type Node, type Tensor, withOutputs } from '../../onnx/index.js';
import type { Engine } from '../../runtime/engine.js';
import { constantRegion } from '../constants.js';
import { isFloatType } from '../numbers.js';
import { compareTensors } from './compare.js';
import type { Feeds } from './inputs.js';

export interface Located {
  readonly node: string;
  readonly relative: number;
}

/** Values fetched per run: keeps the memory of a deep network's feature maps bounded. */
const CHUNK = 32;

/**
 * The node where two models part: of the values that both compute under the same name, the first (in graph order) whose
 * relative error exceeds the tolerance, otherwise the one with the largest. Undefined when they share none.
 */
export async function locate(
  a: Model,
  b: Model,
  engine: Engine,
  feeds: Feeds,
  tolerance: number,
): Promise<Located | undefined> {
  const shared = sharedNodes(a, b);
  const names = shared.map((n) => n.output(0).name);
  const sessions = await Promise.all(
    [a, b].map((m) => engine.session(withOutputs(m, names), { optimization: 'none' })),
  );
  let worst: Located | undefined;
  try {
    for (let at = 0; at < shared.length; at += CHUNK) {
      const part = shared.slice(at, at + CHUNK);
      const [x, y] = await Promise.all(sessions.map((s) => s.run(feeds, names.slice(at, at + CHUNK))));
      for (const node of part) {
        const relative = errorOf(x.get(node.output(0).name), y.get(node.output(0).name));
        if (relative === undefined) continue;
        const found = { node: node.name || node.output(0).name, relative };
        if (relative > tolerance) return found;
        if (!worst || relative > worst.relative) worst = found;
      }
    }
  } finally {
    await Promise.all(sessions.map((s) => s.release()));
  }
  return worst;
}

function errorOf(x: Tensor | undefined, y: Tensor | undefined): number | undefined {
  if (!x || !y || !isFloatType(x.dataType)) return undefined;
  const errors = compareTensors(x, y, x.dims[0] ?? 1);
  if (typeof errors === 'string') return Number.POSITIVE_INFINITY;
  return errors.reduce((m, e) => Math.max(m, e.relative), 0);
}

/** Data-dependent nodes of `a` whose first output has the name of one of `b`, made by the same operator or not. */
function sharedNodes(a: Model, b: Model): Node[] {
  const names = new Set(b.graph.nodes.flatMap((n) => n.outputs.map((o) => o.name)));
  return a.graph.nodes.filter((n) => {
    const [output] = n.outputs;
    return (
      output !== undefined &&
      names.has(output.name) &&
      n.opType !== 'Constant' &&
      !NO_TENSOR.test(n.opType) &&
      constantRegion(output) === undefined
    );
  });
}

/** Their outputs are no tensors that a session could return. */
const NO_TENSOR = /^(Sequence|Optional|SplitToSequence)/;
