import { expect } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { differentiate } from '../../src/finetune/autodiff/differentiate.js';
import { inferTrained, isInternal } from '../../src/finetune/autodiff/internal.js';
import { blockedLowering } from '../../src/finetune/lowering/blocked/index.js';
import { type KernelLayout, packKernel, unpackKernel } from '../../src/finetune/lowering/blocked/kernel.js';
import type { Lowering } from '../../src/finetune/lowering/lowering.js';
import { parallelLowering } from '../../src/finetune/lowering/parallel/index.js';
import { portableLowering } from '../../src/finetune/lowering/portable/index.js';
import { TRAINING_OPSET } from '../../src/finetune/step/prepare.js';
import {
  eliminateDeadNodes,
  Graph,
  GraphBuilder,
  Model,
  sizeOf,
  Tensor,
  tensorType,
  type Value,
  verifyModel,
} from '../../src/onnx/index.js';
import type { Engine } from '../../src/runtime/index.js';
import { evaluate, type RefTensor } from '../../src/runtime/reference/index.js';
import { relativeL2 } from './close.js';
import { unblocked } from './unblocked.js';

/** Dims of standard normal values, or how to draw them. */
export type Drawn =
  | readonly number[]
  | {
      readonly dims: readonly number[];
      readonly value: (normal: () => number, index: number) => number;
    };

/** A small differentiable function whose lowered forms are compared. */
export interface LoweringCase {
  readonly name: string;
  /** Inputs of the network; the gradient by each is compared. */
  readonly inputs: Readonly<Record<string, Drawn>>;
  /** Trained values: a lowering may keep them in a layout of its own. Their gradients are compared too. */
  readonly weights?: Readonly<Record<string, Drawn>>;
  /** Emits the function; all its results are compared, and the gradient is that of Σ r·first with fixed random r. */
  readonly build: (b: GraphBuilder, v: Readonly<Record<string, Value>>) => Value | readonly Value[];
  /** Instead of 1e-6, with the reason at the case. */
  readonly floor?: number;
}

interface Fed {
  readonly name: string;
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** All cases of a batch in one lowered graph. */
interface Lowered {
  readonly model: Model;
  readonly feeds: ReadonlyMap<string, Tensor>;
  /** What is compared: `case: quantity`, the output, and how it lies. */
  readonly results: readonly {
    readonly of: LoweringCase;
    readonly what: string;
    readonly output: string;
    readonly layout: KernelLayout | undefined;
  }[];
}

function draw(name: string, given: Drawn): { dims: readonly number[]; data: Float32Array } {
  const random = randomFor('lowering case', name);
  const normal = (): number => random.normal();
  const { dims, value } = 'dims' in given ? given : { dims: given, value: normal };
  return { dims, data: Float32Array.from({ length: sizeOf(dims) }, (_, i) => value(normal, i)) };
}

/** Builds, differentiates and lowers all cases in one graph. */
export function lowerCases(cases: readonly LoweringCase[], lowering: Lowering): Lowered {
  const graph = new Graph('cases');
  const b = new GraphBuilder(graph, TRAINING_OPSET, { infer: inferTrained });
  const fed: Fed[] = [];
  const seeds = new Map<Value, Value>();
  const wanted: { of: LoweringCase; what: string; value: Value; fed: Fed; trained: boolean }[] = [];
  const results: { of: LoweringCase; what: string; value: Value }[] = [];
  for (const of of cases) {
    const values: Record<string, Value> = {};
    const groups = [
      [of.inputs, false],
      [of.weights ?? {}, true],
    ] as const;
    for (const [group, trained] of groups)
      for (const [key, given] of Object.entries(group)) {
        const name = `${of.name}/${key}`;
        const { dims, data } = draw(name, given);
        values[key] = graph.addInput(name, tensorType('float32', dims));
        const one = { name, dims, data };
        fed.push(one);
        wanted.push({ of, what: `gradient of ${key}`, value: values[key], fed: one, trained });
      }
    const built = b.scope(of.name, () => of.build(b, values));
    const outputs = [built].flat();
    outputs.forEach((value, i) => {
      results.push({ of, what: i === 0 ? 'result' : `result ${i}`, value });
    });
    const { shape } = outputs[0];
    if (!shape) throw new Error(`${of.name}: the shape of the result is not known`);
    const r = draw(`${of.name}/r`, shape);
    seeds.set(outputs[0], b.constant(Tensor.float32(shape, r.data), `${of.name}/r`));
  }
  const gradients = differentiate(
    b,
    seeds,
    wanted.map((w) => w.value),
  );
  const gradientOf = (v: Value): Value => {
    const g = gradients.get(v);
    if (!g) throw new Error(`no gradient of '${v.name}'`);
    return g;
  };
  // A lowering replaces outputs of the graph in place.
  const free = [
    ...results.map((r) => ({ of: r.of, what: r.what, value: r.value })),
    ...wanted.filter((w) => !w.trained).map((w) => ({ of: w.of, what: w.what, value: gradientOf(w.value) })),
  ];
  // Each has a place of its own, also where two are the same value.
  for (const { value } of free)
    graph.addOutput(graph.outputs.includes(value) ? b.op('Identity', [value]) : value);
  const parameters = wanted
    .filter((w) => w.trained)
    .map(({ value }) => ({ value, gradient: gradientOf(value) }));
  const lowered = lowering.lower(b, parameters);
  const named: { of: LoweringCase; what: string; output: Value; layout: KernelLayout | undefined }[] = [];
  const feeds = new Map<string, Tensor>();
  free.forEach(({ of, what }, i) => {
    named.push({ of, what, output: graph.outputs[i], layout: undefined });
  });
  for (const { fed: one, trained } of wanted)
    if (!trained) feeds.set(one.name, Tensor.float32(one.dims, one.data));
  wanted
    .filter((w) => w.trained)
    .forEach(({ of, what, value, fed: one }, i) => {
      const { value: now, gradient, layout } = lowered[i];
      named.push({ of, what, output: gradient, layout });
      if (layout) {
        expect(value.uses, `${of.name}: readers of a kernel that is kept packed`).toEqual([]);
        graph.removeInput(value);
        const packed = packKernel(layout, one.data);
        feeds.set(now.name, Tensor.float32(now.shape ?? [], packed));
      } else feeds.set(now.name, Tensor.float32(one.dims, one.data));
    });
  while (graph.outputs.length > 0) graph.removeOutput(graph.outputs[0]);
  const copies = named.map(({ of, what, output, layout }) => {
    const copy = b.op('Identity', [output], {}, { name: `${of.name}: ${what}` });
    graph.addOutput(copy);
    return { of, what, output: copy.name, layout };
  });
  eliminateDeadNodes(graph);
  for (const v of [...graph.inputs])
    if (v.uses.length === 0) {
      graph.removeInput(v);
      feeds.delete(v.name);
    }
  expect(graph.nodes.filter(isInternal).map((n) => n.describe())).toEqual([]);
  const model = new Model(graph, TRAINING_OPSET, 9);
  for (const [domain, version] of lowering.opsets) model.opsets.set(domain, version);
  verifyModel(model);
  return { model, feeds, results: copies };
}

interface Computed {
  readonly of: LoweringCase;
  readonly what: string;
  readonly data: ArrayLike<number>;
}

function computed(
  { results }: Lowered,
  get: (name: string) => ArrayLike<number | bigint> | undefined,
): Computed[] {
  return results.map(({ of, what, output, layout }) => {
    const data = get(output);
    if (!data) throw new Error(`${of.name}: no ${what}`);
    const numbers = Float64Array.from({ length: data.length }, (_, i) => Number(data[i]));
    return { of, what, data: layout ? unpackFloat64(layout, numbers) : numbers };
  });
}

/** As `unpackKernel`, by way of the places that it finds. */
function unpackFloat64(layout: KernelLayout, packed: Float64Array): Float64Array {
  const places = unpackKernel(
    layout,
    Float32Array.from({ length: packed.length }, (_, i) => i),
  );
  return Float64Array.from(places, (at) => packed[at]);
}

function inFloat64(lowered: Lowered, model: Model): Computed[] {
  const feeds = new Map(
    Array.from(lowered.feeds, ([name, t]): [string, RefTensor] => [
      name,
      { dataType: 'float64', dims: t.dims, data: Float64Array.from(t.typed(), Number) },
    ]),
  );
  const out = evaluate(model, feeds);
  return computed(lowered, (name) => out.get(name)?.data);
}

async function inRuntime(lowered: Lowered, engine: Engine): Promise<Computed[]> {
  const session = await engine.session(lowered.model);
  try {
    const out = await session.run(lowered.feeds);
    return computed(lowered, (name) => out.get(name)?.typed());
  } finally {
    await session.release();
  }
}

/** At most so many times the portable lowering's own distance to float64. */
const TIMES = 4;
const FLOOR = 1e-6;
/** The same mathematics in float64, but for constants such as 1/6, which graphs hold in float32. */
const ALGEBRA = 1e-7;

/**
 * Compares the blocked lowering of every case with float64.
 *
 * - By meaning: lowered for 8 and 16 channels to a block (not for what the machine itself has) and written out in standard operators, evaluated in
 *   float64: equal to the portable graph's to 1e-7, whatever block size the machine has.
 * - By numbers: run in the runtime with its own block size; the relative L2 distance to float64 is at most four times that
 *   of the portable lowering in the same runtime, with a floor of 1e-6.
 *
 * Every wrong quantity is listed, not the first alone.
 */
export async function checkCases(
  cases: readonly LoweringCase[],
  { engine, block }: { readonly engine: Engine; readonly block: number | undefined },
): Promise<void> {
  const beside = portableOf(cases);
  // A machine runs one size itself.
  const meant = [8, 16]
    .filter((s) => s !== block)
    .flatMap((size) => {
      const lowered = lowerCases(cases, blockedLowering(size));
      return unlikeIn64(inFloat64(lowered, unblocked(lowered.model, size)), beside, `block ${size}`);
    });
  const computed =
    block === undefined ? [] : await worseThan(lowerCases(cases, blockedLowering(block)), beside, engine);
  failOn([...meant, ...computed]);
}

/** As {@link checkCases}, for the parallel lowering, which is made of standard operators. */
export async function checkParallelCases(cases: readonly LoweringCase[], engine: Engine): Promise<void> {
  const beside = portableOf(cases);
  const lowered = lowerCases(cases, parallelLowering);
  failOn([
    ...unlikeIn64(inFloat64(lowered, lowered.model), beside, 'parallel'),
    ...(await worseThan(lowered, beside, engine)),
  ]);
}

/** The portable lowering of the cases, and what it is in float64. */
interface Beside {
  readonly lowered: Lowered;
  readonly exact: ReadonlyMap<string, ArrayLike<number>>;
}

function portableOf(cases: readonly LoweringCase[]): Beside {
  const names = cases.map((c) => c.name);
  expect(new Set(names).size, 'names of cases differ').toBe(names.length);
  const lowered = lowerCases(cases, portableLowering);
  return { lowered, exact: new Map(inFloat64(lowered, lowered.model).map((e) => [keyOf(e), e.data])) };
}

function unlikeIn64(got: readonly Computed[], { exact }: Beside, which: string): string[] {
  return got.flatMap(({ of, what, data }) => {
    const error = errorOf(data, exact.get(keyOf({ of, what })));
    return error <= ALGEBRA ? [] : [`${of.name}: ${what}, ${which}, in float64: off by ${error}`];
  });
}

async function worseThan(
  lowered: Lowered,
  { lowered: portable, exact }: Beside,
  engine: Engine,
): Promise<string[]> {
  const [got, beside] = [await inRuntime(lowered, engine), await inRuntime(portable, engine)];
  const theirs = new Map(beside.map((c) => [keyOf(c), errorOf(c.data, exact.get(keyOf(c)))]));
  return got.flatMap(({ of, what, data }) => {
    const error = errorOf(data, exact.get(keyOf({ of, what })));
    const own = theirs.get(keyOf({ of, what })) ?? Number.NaN;
    return error <= Math.max(TIMES * own, of.floor ?? FLOOR)
      ? []
      : [`${of.name}: ${what}: off by ${error}, portable ${own}`];
  });
}

function failOn(wrong: readonly string[]): void {
  if (wrong.length > 0) expect.fail(wrong.join('\n'));
}

function keyOf({ of, what }: Pick<Computed, 'of' | 'what'>): string {
  return `${of.name}: ${what}`;
}

function errorOf(got: ArrayLike<number>, exact: ArrayLike<number> | undefined): number {
  if (!exact || exact.length !== got.length) return Number.NaN;
  return relativeL2(got, exact);
}

/**
 * Into blocks: a depthwise 1×1 convolution with fixed factors, so that what follows has its input as inner layers have
 * theirs, and the gradient by it is computed.
 */
export function inside(b: GraphBuilder, x: Value): Value {
  const channels = x.shape?.[1] ?? 1;
  const factors = Float32Array.from({ length: channels }, (_, c) => 0.75 + ((c * 7) % 5) / 8);
  const kernel = b.f32(factors, [channels, 1, ...(x.shape ?? []).slice(2).map(() => 1)]);
  return b.op('Conv', [x, kernel], { group: channels });
}
