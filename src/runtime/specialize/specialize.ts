import {
  cloneModel,
  constantsToInitializers,
  eliminateDeadNodes,
  inferShapes,
  type Model,
  type Node,
  type Value,
} from '../../onnx/index.js';
import type { Engine } from '../engine.js';
import { makePadsExplicit } from './auto-pad.js';
import { type FoldOptions, foldConstants } from './fold.js';
import { foldShapes } from './fold-shapes.js';
import { findTrainingNodes } from './inference-mode.js';
import { inlineBranches } from './inline-if.js';
import { planInputs, type ShapeRequest, setInputs } from './input-shapes.js';
import { LazyEngine } from './lazy-engine.js';
import { type DataDependentShape, dependsOnData, measureTypes, unknownShapes } from './measure.js';
import { rebatch } from './rebatch.js';
import { checkBatch } from './rebatch-check.js';

export interface SpecializeOptions extends ShapeRequest, FoldOptions {
  /** Default: one is started when it is needed, and closed. */
  readonly engine?: Engine;
}

export interface SpecializeReport {
  /** Inputs with their dims. */
  readonly inputs: ReadonlyMap<string, readonly number[]>;
  /** The batch that was fixed in the file, where it was replaced. */
  readonly replacedBatch: number | null;
  /** Constants rewritten for another batch, in words. */
  readonly rewritten: readonly string[];
  /** Largest difference to the model with its own batch, relative to the outputs; null: not compared. */
  readonly batchDifference: number | null;
  /** Values that became constants. */
  readonly folded: number;
  /** Nodes with `auto_pad` that got explicit pads. */
  readonly explicitPads: readonly string[];
  /** Values whose type was found by execution; where it depends on the data, it is that of one random input. */
  readonly measured: readonly string[];
  /** Those of them whose type depends on the data, as far as the operators tell. */
  readonly dataDependent: readonly DataDependentShape[];
  /** Graph inputs with a default that became plain constants. */
  readonly frozenInputs: readonly string[];
  readonly removedNodes: number;
}

/** Rounds of folding: each may open a branch whose shapes the next one folds. */
const MAX_ROUNDS = 8;

/**
 * A copy of the model for fixed input dims: every value of the graph has a static type, what does not depend on the
 * inputs is a constant, branches with a constant condition are taken, pads are explicit, nothing dead is left. Names of
 * what stays do not change. A batch that is fixed in the file (often 1, with the 1 in Reshape constants) is replaced, and
 * the result compared with the original by execution (not where random or training-mode nodes make outputs differ).
 * @throws InputError a dim stays open or contradicts the file; UnsupportedError the batch cannot be changed
 */
export async function specialize(
  model: Model,
  options: SpecializeOptions = {},
): Promise<{ readonly model: Model; readonly report: SpecializeReport }> {
  const engine = new LazyEngine(options.engine);
  try {
    const copy = cloneModel(model);
    const frozenInputs = freezeDefaults(copy);
    const plan = planInputs(copy, options);
    const nodes = copy.graph.nodes.length;
    setInputs(plan, 'before');
    const found: Findings = { folded: 0, measured: new Set(), dataDependent: new Map(), explicitPads: [] };
    await makeStatic(copy, engine, options.keep, found);
    let rewritten: string[] = [];
    let batchDifference: number | null = null;
    const changed = plan.find((p) => p.before.some((d, axis) => d !== p.after[axis]));
    if (changed) {
      const before = cloneModel(copy);
      rewritten = rebatch(copy, plan);
      eliminateDeadNodes(copy.graph);
      const { batchNorms, dropouts, random } = findTrainingNodes(copy);
      if (batchNorms.length + dropouts.length + random.length === 0)
        batchDifference = await checkBatch(before, copy, plan, await engine.get());
      await makeStatic(copy, engine, options.keep, found);
    }
    const report: SpecializeReport = {
      inputs: new Map(plan.map((p) => [p.input.name, p.after])),
      replacedBatch: changed ? changed.before[0] : null,
      rewritten,
      batchDifference,
      folded: found.folded,
      explicitPads: found.explicitPads,
      measured: [...found.measured],
      dataDependent: [...found.dataDependent.values()],
      frozenInputs,
      removedNodes: Math.max(0, nodes - copy.graph.nodes.length),
    };
    return { model: copy, report };
  } finally {
    await engine.close();
  }
}

/** Inputs with a default, as old files list every weight: nobody feeds them, and only a constant can be folded. */
function freezeDefaults(model: Model): string[] {
  const { graph } = model;
  const frozen = graph.inputs.filter((v) => v.initializer !== undefined);
  for (const v of frozen) graph.removeInput(v);
  return frozen.map((v) => v.name);
}

interface Findings {
  folded: number;
  readonly measured: Set<string>;
  readonly dataDependent: Map<Value, DataDependentShape>;
  readonly explicitPads: string[];
}

/** Static types for the inputs' dims as they are, and everything folded that follows from them. */
async function makeStatic(
  model: Model,
  engine: LazyEngine,
  keep: ((node: Node) => boolean) | undefined,
  found: Findings,
): Promise<void> {
  const { graph } = model;
  constantsToInitializers(graph);
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const inputs = new Map(graph.requiredInputs.map((v) => [v.name, v.shape ?? []]));
    inferShapes(model, { inputShapes: inputs });
    // Before anything runs: the runtime refuses auto_pad together with dilations.
    found.explicitPads.push(...makePadsExplicit(graph).map((n) => n.describe()));
    let progress = foldShapes(model, keep);
    progress += (await foldConstants(model, () => engine.get(), keep && { keep })).folded;
    const inlined = inlineBranches(graph);
    if (inlined > 0) constantsToInitializers(graph);
    eliminateDeadNodes(graph);
    found.folded += progress;
    if (progress + inlined > 0) continue;
    const unknown = unknownShapes(model);
    if (unknown.length === 0) break;
    await measureTypes(model, unknown, await engine.get());
    for (const v of unknown) found.measured.add(v.name);
    for (const v of unknown)
      if (v.producer && dependsOnData(model, v))
        found.dataDependent.set(v, { node: v.producer.describe(), value: v.name, dims: v.shape ?? [] });
    // With all types static there is another round only where their shapes are computed with.
    if (foldShapes(model, keep) === 0) {
      found.explicitPads.push(...makePadsExplicit(graph).map((n) => n.describe()));
      break;
    }
  }
  // What was computed with a measured shape has a constant now: its own dims follow.
  for (const v of found.dataDependent.keys())
    if (v.producer && !dependsOnData(model, v)) found.dataDependent.delete(v);
}
