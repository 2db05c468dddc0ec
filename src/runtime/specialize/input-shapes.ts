import { InputError } from '../../base/errors.js';
import { type Dim, type Model, tensorType, type Value } from '../../onnx/index.js';

export interface ShapeRequest {
  /** Dims of inputs, by name; they must agree with what the file fixes, except for the first, which may change. */
  readonly inputShapes?: ReadonlyMap<string, readonly number[]>;
  /** First dim of every input that has an open one, or the common one of the file. */
  readonly batch?: number;
}

/** One required input: the dims of the file with open ones filled in, and those asked for. */
export interface InputPlan {
  readonly input: Value;
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/**
 * Decides on the dims of every required input.
 * @throws InputError naming the input, when a dim stays open or contradicts the file
 */
export function planInputs(model: Model, { inputShapes = new Map(), batch }: ShapeRequest): InputPlan[] {
  const inputs = model.graph.requiredInputs;
  for (const name of inputShapes.keys())
    if (!inputs.some((v) => v.name === name))
      throw new InputError({
        problem: `${label(model)} has no input '${name}'`,
        expected: inputs.map((v) => `'${v.name}'`).join(', '),
      });
  if (batch !== undefined && !(Number.isSafeInteger(batch) && batch >= 1))
    throw new InputError({ problem: 'the batch size', expected: 'a whole number from 1', found: `${batch}` });

  const symbols = symbolsOf(inputs, inputShapes);
  const fileBatch = commonBatch(inputs);
  return inputs.map((input) => {
    const wanted = inputShapes.get(input.name);
    const shape: readonly Dim[] = declared(model, input, wanted);
    const after = shape.map((d, axis) => {
      const given = wanted?.[axis];
      if (given !== undefined) {
        if (typeof d === 'number' && d !== given && axis > 0)
          throw contradiction(model, input, shape, wanted);
        return given;
      }
      if (axis === 0 && batch !== undefined && (typeof d !== 'number' || d === fileBatch)) return batch;
      if (typeof d === 'number') return d;
      const known = d === null ? undefined : symbols.get(d);
      if (known !== undefined) return known;
      if (axis === 0) return 1;
      throw open(model, input, shape);
    });
    const before = shape.map((d, axis) => (typeof d === 'number' ? d : after[axis]));
    return { input, before, after };
  });
}

/** Writes dims into the inputs' types. */
export function setInputs(plan: readonly InputPlan[], which: 'before' | 'after'): void {
  for (const { input, [which]: dims } of plan)
    if (input.type?.kind === 'tensor') input.type = tensorType(input.type.dataType, dims);
}

/** What the names of open dims stand for, where `inputShapes` tells. */
function symbolsOf(
  inputs: readonly Value[],
  inputShapes: ReadonlyMap<string, readonly number[]>,
): Map<string, number> {
  const symbols = new Map<string, number>();
  for (const { name, type } of inputs) {
    const wanted = inputShapes.get(name);
    if (!wanted || type?.kind !== 'tensor') continue;
    type.shape?.forEach((d, axis) => {
      if (typeof d === 'string' && d !== '') symbols.set(d, wanted[axis]);
    });
  }
  return symbols;
}

/** The fixed first dim of the first input that has one and more axes than that. */
function commonBatch(inputs: readonly Value[]): number | undefined {
  for (const { type } of inputs) {
    if (type?.kind !== 'tensor' || !type.shape || type.shape.length < 2) continue;
    const [first] = type.shape;
    return typeof first === 'number' ? first : undefined;
  }
  return undefined;
}

function declared(model: Model, input: Value, wanted: readonly number[] | undefined): readonly Dim[] {
  const { type } = input;
  if (type?.kind !== 'tensor')
    throw new InputError({ problem: `${label(model)}: input '${input.name}' is no tensor` });
  if (!type.shape) {
    if (wanted) return wanted;
    throw new InputError({
      problem: `${label(model)}: the rank of input '${input.name}' is open`,
      hint: 'give its dims (inputShapes)',
    });
  }
  if (wanted && wanted.length !== type.shape.length) throw contradiction(model, input, type.shape, wanted);
  return type.shape;
}

function contradiction(
  model: Model,
  input: Value,
  shape: readonly Dim[],
  wanted: readonly number[] | undefined,
): InputError {
  return new InputError({
    problem: `${label(model)}: input '${input.name}'`,
    expected: show(shape),
    found: show(wanted ?? []),
    hint: 'only open dims and the batch size can be chosen',
  });
}

function open(model: Model, input: Value, shape: readonly Dim[]): InputError {
  return new InputError({
    problem: `${label(model)}: input '${input.name}' is ${show(shape)}, so the size of its maps is open`,
    hint: 'give its dims (inputShapes)',
  });
}

function show(shape: readonly Dim[]): string {
  return `[${shape.map((d) => d ?? '?').join(', ')}]`;
}

export function label(model: Model): string {
  return model.source ?? (model.graph.name ? `model '${model.graph.name}'` : 'the model');
}
