import { UnsupportedError } from '../../base/errors.js';
import type { Preprocess } from '../../base/preprocess.js';
import type { GraphBuilder, Value } from '../../onnx/index.js';
import { distillation } from '../losses/distillation.js';
import type { LossNodes } from '../losses/loss.js';
import { type LossOptions, lossOf } from '../losses/table.js';
import { normalizeAlike, normalizedPixels, type PixelInput } from './input.js';
import type { Prepared } from './prepare.js';
import { joinTeacher, type Teacher } from './teacher.js';

export interface DistillOptions {
  readonly teacher: Teacher;
  /** T > 0. */
  readonly temperature: number;
  /** Share of the distillation loss, 0 < w ≤ 1; the loss by labels has the rest. */
  readonly weight: number;
}

export interface ObjectiveOptions {
  readonly loss: LossOptions;
  /** Pixels come as uint8 and are normalized in the graph; undefined: the network's own float input. */
  readonly preprocess?: Preprocess;
  /** A second loss: the distance to another network's answers. */
  readonly distill?: DistillOptions;
}

/** What a step minimizes. */
export interface Objective {
  /** The new graph input. */
  readonly label: Value;
  readonly loss: Value;
  readonly correct: Value;
  /** The gradient of the loss by each value that it judges. */
  readonly seeds: ReadonlyMap<Value, Value>;
}

/**
 * Puts the label input and the loss at the end of the forward graph:
 *   (1 − w)·loss(output, label) + w·distillation(output, teacher) + Σ weight·loss(auxiliary output, label).
 * @param picture the step's image, which a teacher reads too
 * @param scale factor on the gradients; the loss is given as it is
 */
export function objective(
  b: GraphBuilder,
  prepared: Prepared,
  picture: PixelInput,
  { loss: options, preprocess, distill }: ObjectiveOptions,
  scale: number,
): Objective {
  const { logits, auxiliary } = prepared;
  const loss = lossOf(options);
  if (loss.judges !== prepared.judges)
    throw new Error(`the loss judges ${loss.judges}, the network was prepared for ${prepared.judges}`);
  const shape = staticShape(logits);
  const type = loss.target('float32', shape);
  const label = b.graph.addInput(b.graph.uniqueName('label'), type);
  const share = distill ? 1 - distill.weight : 1;
  const main = loss.emit({ b, output: logits, shape, target: label, scale: scale * share });
  const parts: Part[] = [{ ...main, value: logits, weight: share }];
  if (distill) {
    const own = distill.teacher.preprocess;
    const input =
      preprocess && own && !normalizeAlike(preprocess, own)
        ? normalizedPixels(b, picture.image, staticShape(picture.image), own)
        : picture.network;
    parts.push(distilled(b, { ...prepared, input }, shape, distill, scale));
  }
  for (const { name, logits: output, weight } of auxiliary) {
    const dims = staticShape(output);
    if (JSON.stringify(loss.target('float32', dims)) !== JSON.stringify(type))
      throw new UnsupportedError({
        problem: `the auxiliary output '${name}' cannot be judged by the labels of '${logits.name}'`,
        expected: `[${shape}]`,
        found: `[${dims}]`,
      });
    const nodes = b.scope(name, () =>
      loss.emit({ b, output, shape: dims, target: label, scale: scale * weight }),
    );
    parts.push({ ...nodes, value: output, weight });
  }
  const seeds = new Map<Value, Value>();
  for (const { value, gradient } of parts) {
    const before = seeds.get(value);
    seeds.set(value, before ? b.op('Add', [before, gradient]) : gradient);
  }
  return { label, loss: b.scope('loss', () => weightedSum(b, parts)), correct: main.correct, seeds };
}

interface Part extends Pick<LossNodes, 'loss' | 'gradient'> {
  /** What is judged. */
  readonly value: Value;
  readonly weight: number;
}

function distilled(
  b: GraphBuilder,
  { input, logits, classes }: Prepared,
  shape: readonly number[],
  { teacher, temperature, weight }: DistillOptions,
  scale: number,
): Part {
  if (teacher.classes !== classes)
    throw new UnsupportedError({
      problem: `the teacher ${teacher.model.source ?? ''} knows other classes`,
      expected: `${classes}`,
      found: `${teacher.classes}`,
    });
  const joined = joinTeacher(b, teacher, input);
  const nodes = distillation({
    b,
    student: logits,
    shape,
    teacher: joined,
    teacherShape: staticShape(joined),
    temperature,
    scale: scale * weight,
  });
  return { ...nodes, value: logits, weight };
}

function weightedSum(b: GraphBuilder, parts: readonly Part[]): Value {
  const [first, ...rest] = parts.map(({ loss, weight }) =>
    weight === 1 ? loss : b.op('Mul', [loss, b.f32(weight)]),
  );
  return rest.reduce((sum, v) => b.op('Add', [sum, v]), first);
}

export function staticShape(value: Value): readonly number[] {
  if (!value.shape) throw new Error(`the shape of '${value.name}' is not known`);
  return value.shape;
}
