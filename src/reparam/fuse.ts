import { cloneModel, type Model } from '../onnx/index.js';
import { type BatchNormFolding, type FoldedBatchNorm, foldBatchNorms } from './fold-batchnorm.js';
import { type FoldedWeight, foldWeights } from './fold-weights.js';
import { FORM_KEY, readForm } from './form.js';
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
  /** What could have been folded and was not, and why. */
  readonly kept: readonly { readonly name: string; readonly reason: string }[];
}

/**
 * Folds what training added: computed weights into constants, restored BatchNormalizations into their convolutions, all
 * in float64 with one rounding at the end. The result has the nodes, names, order, parameter count, operator sets and
 * metadata of the model that was expanded. Fusing again changes nothing.
 * @throws MarkersLostError for a training form that cannot be read
 * @throws ModelError where a BatchNormalization to fold has no positive variance + epsilon
 */
export function fuse(model: Model, options: FuseOptions = {}): FuseResult {
  const copy = cloneModel(model);
  const form = readForm(copy);
  const { weights, kept } = foldWeights(copy, form);
  const restored = restoredBatchNorms(copy);
  const none: BatchNormFolding = { folded: [], kept: [] };
  const back = restored.size
    ? foldBatchNorms(copy, { select: (n) => restored.has(n), overridable: true })
    : none;
  const own = options.foldBatchNorm
    ? foldBatchNorms(copy, { overridable: options.overridable === true })
    : none;
  const marked = form !== undefined || copy.metadata.has(FORM_KEY);
  const cleared = clearRestored(copy, back);
  return {
    model: copy,
    modified: marked || cleared || weights.length > 0 || own.folded.length > 0,
    weights,
    batchNorms: [...back.folded, ...own.folded],
    kept: [
      ...kept.map((k) => ({ name: k.weight, reason: k.reason })),
      ...[...back.kept, ...own.kept].map((k) => ({ name: k.batchNorm, reason: k.reason })),
    ],
  };
}
