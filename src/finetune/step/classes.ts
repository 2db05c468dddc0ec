import { UnsupportedError } from '../../base/errors.js';
import type { Model, Value } from '../../onnx/index.js';
import { logitsOf } from '../../reparam/index.js';

export interface ClassScores {
  /** [N,K] or [N,K,1,…], before a trailing Softmax. */
  readonly logits: Value;
  /** K */
  readonly classes: number;
}

/** A model must have one output, and nothing else to train or judge. @throws UnsupportedError */
export function requireOneOutput(model: Model): void {
  const { outputs } = model.graph;
  if (outputs.length !== 1)
    throw notClassifier(model, `${outputs.length} outputs: ${outputs.map((v) => `'${v.name}'`).join(', ')}`);
}

/**
 * The class scores of a model with static shapes.
 * @throws UnsupportedError when they are not one number per class and image
 */
export function classScores(model: Model, batch: number): ClassScores {
  const { value: logits, output } = logitsOf(model.graph);
  const { shape } = logits;
  if (shape?.[0] !== batch || shape.length < 2 || !shape.slice(2).every((d) => d === 1))
    throw notClassifier(model, `'${output.name}' of shape [${shape?.join(', ') ?? '?'}]`);
  if (logits.type?.kind !== 'tensor' || logits.type.dataType !== 'float32')
    throw new UnsupportedError({
      problem: `the class scores '${logits.name}' of ${model.source ?? 'the model'}`,
      expected: 'float32',
      found: logits.type?.kind === 'tensor' ? logits.type.dataType : 'no tensor',
      hint: 'convert the model to float32 first',
    });
  return { logits, classes: shape[1] };
}

function notClassifier(model: Model, found: string): UnsupportedError {
  return new UnsupportedError({
    problem: `${model.source ?? 'the model'} is no classifier, so it has no top-1`,
    expected: 'one output of [N, classes]',
    found,
    hint: 'expand, fuse and verify work on it; train, eval and refocus need classes',
  });
}
