import { EnvironmentError, InputError, ModelError, type ReparamError } from '../../base/errors.js';
import type { DataType, Model, Tensor, ValueType } from '../../onnx/index.js';

export interface InputSpec {
  readonly type: ValueType | undefined;
  readonly required: boolean;
}

/** What a model takes and gives, taken down when its session is made: the model may be edited afterwards. */
export interface Signature {
  /** The model in messages: its file, or its graph's name. */
  readonly label: string;
  readonly inputs: ReadonlyMap<string, InputSpec>;
  readonly outputs: readonly string[];
  /** Whether tensors of this type can go into the runtime. */
  readonly isFeedable: (type: DataType) => boolean;
}

export function signatureOf(model: Model, isFeedable: Signature['isFeedable']): Signature {
  return {
    isFeedable,
    label: model.source ?? (model.graph.name ? `model '${model.graph.name}'` : 'the model'),
    inputs: new Map(model.graph.inputs.map((v) => [v.name, { type: v.type, required: !v.initializer }])),
    outputs: model.graph.outputs.map((v) => v.name),
  };
}

/** `float32[1,3,224,224]` */
export function describeTensor(tensor: Pick<Tensor, 'dataType' | 'dims'>): string {
  return `${tensor.dataType}[${tensor.dims}]`;
}

function describeType(type: ValueType | undefined): string {
  if (type?.kind !== 'tensor') return 'no tensor';
  return `${type.dataType}${type.shape ? `[${type.shape.map((d) => d ?? '?')}]` : ' of any shape'}`;
}

/**
 * Checks that every required input is there and that what is there fits.
 * @param held inputs that the session itself supplies (state)
 * @throws InputError naming the model and the input
 */
export function checkFeeds(
  signature: Signature,
  feeds: ReadonlyMap<string, Tensor>,
  held: ReadonlySet<string> = new Set(),
): void {
  const { label, inputs } = signature;
  for (const name of feeds.keys())
    if (held.has(name))
      throw new InputError({ problem: `${label}: '${name}' is state, which the session holds itself` });
  checkTensors(signature, feeds);
  for (const [name, spec] of inputs)
    if (spec.required && !held.has(name) && !feeds.has(name))
      throw new InputError({
        problem: `${label}: input '${name}' is missing`,
        expected: describeType(spec.type),
        found: feeds.size > 0 ? listNames([...feeds.keys()]) : 'no inputs',
      });
}

/**
 * Checks names, element types and dims; equal symbolic dims must get equal numbers.
 * @throws InputError naming the model and the input
 */
export function checkTensors(signature: Signature, tensors: ReadonlyMap<string, Tensor>): void {
  const { label, inputs, isFeedable } = signature;
  const symbols = new Map<string, { size: number; input: string }>();
  for (const [name, tensor] of tensors) {
    const spec = inputs.get(name);
    if (!spec)
      throw new InputError({
        problem: `${label} has no input '${name}'`,
        expected: listNames([...inputs.keys()]),
      });
    if (!isFeedable(tensor.dataType))
      throw misfit(label, name, spec.type, tensor, `; the runtime takes no ${tensor.dataType} inputs`);
    checkTensor(label, name, spec.type, tensor, symbols);
  }
}

function misfit(
  label: string,
  name: string,
  type: ValueType | undefined,
  tensor: Tensor,
  why = '',
): InputError {
  return new InputError({
    problem: `${label}: input '${name}' does not fit${why}`,
    expected: describeType(type),
    found: describeTensor(tensor),
  });
}

function checkTensor(
  label: string,
  name: string,
  type: ValueType | undefined,
  tensor: Tensor,
  symbols: Map<string, { size: number; input: string }>,
): void {
  const wrong = (why?: string): InputError => misfit(label, name, type, tensor, why);
  if (type?.kind !== 'tensor') return;
  if (type.dataType !== tensor.dataType) throw wrong();
  if (!type.shape) return;
  if (type.shape.length !== tensor.dims.length) throw wrong();
  type.shape.forEach((dim, i) => {
    const size = tensor.dims[i];
    if (typeof dim === 'number' && dim !== size) throw wrong();
    if (typeof dim !== 'string' || dim === '') return;
    const seen = symbols.get(dim);
    if (seen && seen.size !== size)
      throw wrong(` ('${dim}' is ${seen.size} in input '${seen.input}' and ${size} here)`);
    symbols.set(dim, { size, input: name });
  });
}

/** @throws InputError listing the outputs there are */
export function checkOutputs(signature: Signature, names: readonly string[]): void {
  for (const name of names)
    if (!signature.outputs.includes(name))
      throw new InputError({
        problem: `${signature.label} has no output '${name}'`,
        expected: listNames(signature.outputs),
      });
}

function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 12).map((n) => `'${n}'`);
  return `one of ${shown.join(', ')}${names.length > shown.length ? `, … (${names.length} in all)` : ''}`;
}

/** How Dawn, which computes for the WebGPU provider, says that the device is gone. */
const LOST = /device (was |is )?lost|DeviceLost|VK_ERROR_DEVICE_LOST|DXGI_ERROR_DEVICE/i;
/** A buffer that could not be made is noticed where it is used first. */
const BUFFER =
  /\[Invalid Buffer|exceeds the max buffer size|exceeds the supported maximum|Failed to create GPU buffer/i;

/** What the runtime said, as an error of ours: memory is the machine's fault, everything else the model's. */
export function runtimeError(problem: string, cause: Error): ReparamError {
  const found = cause.message.split('\n').slice(0, 3).join(' ');
  if (LOST.test(cause.message))
    return new EnvironmentError({
      problem: `${problem}: the graphics device was lost`,
      found,
      hint: 'the last checkpoint is kept: go on with --resume, on this device or with --device cpu',
      cause,
    });
  if (BUFFER.test(cause.message))
    return new EnvironmentError({
      problem: `${problem}: a tensor is larger than the graphics adapter's limit for a buffer, or its memory is exhausted`,
      found,
      hint: 'use a smaller batch or a smaller image, or --device cpu',
      cause,
    });
  return /failed to allocate|bad[_ ]alloc|out of memory/i.test(cause.message)
    ? new EnvironmentError({
        problem: `${problem}: not enough memory`,
        found,
        hint: 'use a smaller batch or a smaller image',
        cause,
      })
    : new ModelError({ problem, found, cause });
}
