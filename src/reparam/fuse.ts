import { cloneModel, type Model } from '../onnx/index.js';
import { type CollapsedBranches, collapseBranches } from './collapse-branches.js';
import { type FoldedBatchNorm, foldBatchNorms } from './fold-batchnorm.js';
import { type FoldedWeight, foldWeights, type Unrounded } from './fold-weights.js';
import { FORM_KEY, readForm, type TrainingForm } from './form.js';
import { clearRestored, restoredBatchNorms } from './restored.js';

export interface FuseOptions {
  /**
   * Also fold the model's own BatchNormalization nodes. Default false: only those that {@link restoreBatchNorm} put in
   * are folded back, so that the file has the structure it came with.
   */
  readonly foldBatchNorm?: boolean;
  /** Fold also parameters that are graph inputs a caller may set; those inputs go away. Default false. */
  readonly overridable?: boolean;
}

export interface FuseResult {
  /** The fused model, a new one; the one given is unchanged. */
  readonly model: Model;
  /** False: there was nothing to fuse, and the model is a plain copy. */
  readonly modified: boolean;
  readonly weights: readonly FoldedWeight[];
  readonly batchNorms: readonly FoldedBatchNorm[];
  /** Sums of parallel branches that are one convolution now. */
  readonly branches: readonly CollapsedBranches[];
  /** What could have been folded and was not, and why. */
  readonly kept: readonly { readonly name: string; readonly reason: string }[];
}

/** @internal What verify needs beside: the training form that was fused, and the constants before their rounding. */
export interface FuseDetails extends FuseResult {
  readonly form: TrainingForm | undefined;
  readonly unrounded: Unrounded;
}

/**
 * Folds what training added: computed weights into constants, restored BatchNormalizations into their convolutions, and
 * parallel branches (RepVGG, MobileOne, ACNet) with their BatchNormalizations into one convolution, all in float64 with
 * one rounding at the end. But for such branches, the result has the nodes, names, order, parameter count, operator sets
 * and metadata of the model that was expanded. Fusing again changes nothing.
 * @throws MarkersLostError for a training form that cannot be read
 * @throws ModelError where a BatchNormalization to fold has no positive variance + epsilon
 */
export function fuse(model: Model, options: FuseOptions = {}): FuseResult {
  const { model: fused, modified, weights, batchNorms, branches, kept } = fuseDetails(model, options);
  return { model: fused, modified, weights, batchNorms, branches, kept };
}

/** @internal */
export function fuseDetails(model: Model, options: FuseOptions = {}): FuseDetails {
  const copy = cloneModel(model);
  const unrounded: Unrounded = new Map();
  const form = readForm(copy);
  const marked = copy.metadata.has(FORM_KEY);
  const folding = foldWeights(copy, form, unrounded);
  const restored = restoredBatchNorms(copy);
  const back = foldBatchNorms(copy, { select: (n) => restored.has(n), overridable: true, unrounded });
  const cleared = clearRestored(copy, back);
  const overridable = options.overridable === true;
  const parallel = collapseBranches(copy, { overridable, unrounded });
  const own = foldBatchNorms(copy, {
    select: (n) => options.foldBatchNorm === true && !restored.has(n),
    overridable,
    unrounded,
  });
  const batchNorms = [...back.folded, ...own.folded];
  return {
    model: copy,
    modified:
      marked ||
      cleared ||
      folding.weights.length > 0 ||
      batchNorms.length > 0 ||
      parallel.collapsed.length > 0,
    weights: folding.weights,
    batchNorms,
    branches: parallel.collapsed,
    kept: [
      ...folding.kept.map((k) => ({ name: k.weight, reason: k.reason })),
      ...parallel.kept.map((k) => ({ name: k.sum, reason: k.reason })),
      ...[...back.kept, ...own.kept].map((k) => ({ name: k.batchNorm, reason: k.reason })),
    ],
    form,
    unrounded,
  };
}
