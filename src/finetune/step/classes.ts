import { UnsupportedError, UsageError } from '../../base/errors.js';
import type { Model, Value } from '../../onnx/index.js';
import { logitsOf } from '../../reparam/index.js';
import type { JudgedKind } from '../losses/loss.js';
import { ownAuxiliary } from './auxiliary.js';

export interface ClassScores {
  /** [N,K] or [N,K,1,…], before a trailing Softmax. */
  readonly logits: Value;
  /** K */
  readonly classes: number;
}

/**
 * The output that a model is judged by: the only one, apart from auxiliary ones.
 * @param auxiliary names of outputs that only the training loss judges, beside those that the model's metadata names
 * @throws UsageError for a name that is no output, UnsupportedError when not exactly one output is left
 */
export function mainOutput(model: Model, auxiliary: Iterable<string> = []): Value {
  const { outputs } = model.graph;
  const aside = new Set(auxiliary);
  for (const name of aside)
    if (!outputs.some((v) => v.name === name))
      throw new UsageError({
        problem: `--aux: ${model.source ?? 'the model'} has no output '${name}'`,
        expected: `one of ${outputs.map((v) => `'${v.name}'`).join(', ')}`,
      });
  const own = ownAuxiliary(model);
  const rest = outputs.filter((v) => !aside.has(v.name) && !own.has(v.name));
  if (rest.length !== 1)
    throw notClassifier(
      model,
      `${rest.length} outputs: ${rest.map((v) => `'${v.name}'`).join(', ')}`,
      rest.length > 1
        ? ' of more than one output --aux NAME=WEIGHT sets the auxiliary ones aside'
        : undefined,
    );
  return rest[0];
}

/**
 * The class scores of a model with static shapes.
 * @throws UnsupportedError when they are not one number per class and image
 */
export function classScores(model: Model, output: Value, batch: number): ClassScores {
  return judged(model, output, batch, 'scores');
}

/**
 * What a loss of this kind judges at an output of a model with static shapes; `classes` is its second dim.
 * @throws UnsupportedError when it is not of that kind
 */
export function judged(model: Model, output: Value, batch: number, kind: JudgedKind): ClassScores {
  const value = kind === 'output' ? output : logitsOf(model.graph, output).value;
  const { shape } = value;
  if (
    shape?.[0] !== batch ||
    shape.length < 2 ||
    (kind === 'scores' && !shape.slice(2).every((d) => d === 1))
  )
    throw notClassifier(model, `'${output.name}' of shape [${shape?.join(', ') ?? '?'}]`);
  if (value.type?.kind !== 'tensor' || value.type.dataType !== 'float32')
    throw new UnsupportedError({
      problem: `the class scores '${value.name}' of ${model.source ?? 'the model'}`,
      expected: 'float32',
      found: value.type?.kind === 'tensor' ? value.type.dataType : 'no tensor',
      hint: 'convert the model to float32 first',
    });
  return { logits: value, classes: shape[1] };
}

function notClassifier(model: Model, found: string, more?: string): UnsupportedError {
  return new UnsupportedError({
    problem: `${model.source ?? 'the model'} is no classifier, so it has no top-1`,
    expected: 'one output of [N, classes]',
    found,
    hint: `expand, fuse and verify work on it; train, eval and refocus need classes${more ? `;${more}` : ''}`,
  });
}
