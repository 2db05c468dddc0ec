/**
 * RefConv as a graph of standard operators, so that a training form runs anywhere. The math is in algebra/refconv.ts.
 *
 *     base [O,I,kh,kw] ─┬─ Reshape [1,n,kh,kw] ─ Conv(map [n,n/G,mh,mw], group G, pads m/2) ─ Reshape [O,I,kh,kw] ─┐
 *                       └───────────────────────────────────────────────────────────────────────────────────── Add ─ W_t
 *
 * The base keeps the place of the kernel among the initializers; W_t takes over its name.
 */

import { randomFor } from '../../base/random.js';
import { type Graph, type Node, sizeOf, Tensor, tensorType, Value } from '../../onnx/index.js';
import { type RefConvShape, refConvShape, refConvTransform, xavierBound } from '../algebra/refconv.js';
import { constantOf } from '../constants.js';
import type { LayerRecord } from '../form-schema.js';
import { tensorSha256 } from '../hash.js';
import { type FloatType, fromFloat64, toFloat64 } from '../numbers.js';
import type { Method, MethodOptions } from './method.js';

/** The largest map that is built, in elements: 2 GiB of float32. ONNX files cannot hold a larger tensor inline. */
const LARGEST_MAP = 2 ** 29;

export const refconv: Method = {
  name: 'refconv',

  refuse(candidate, options) {
    const dims = candidate.tensor.dims;
    const kernel = dims.slice(2);
    if (kernel.length !== 1 && kernel.length !== 2)
      return `its kernel has ${kernel.length} spatial axes; RefConv is defined for one or two`;
    if (dims[0] % candidate.groups !== 0)
      return `its ${dims[0]} output channels do not divide into ${candidate.groups} groups`;
    const map = mapKernelOf(options, kernel.length);
    if (map.length !== kernel.length)
      return `the map kernel [${map}] has ${map.length} axes, the kernel [${kernel}] has ${kernel.length}`;
    for (const [i, k] of kernel.entries())
      if (map[i] > 2 * k - 1)
        return `map kernel ${map.join('×')} on a ${kernel.join('×')} kernel has taps that never touch it; at most ${kernel.map((s) => 2 * s - 1).join('×')} is of use`;
    const { mapDims } = refConvShape(dims, candidate.groups, map);
    if (sizeOf(mapDims) > LARGEST_MAP)
      return `its map [${mapDims}] would take ${(sizeOf(mapDims) * 4) / 2 ** 30} GiB`;
    return undefined;
  },

  apply(candidate, options) {
    const { graph, weight, tensor, layer, dataType } = candidate;
    const mapKernel = mapKernelOf(options, tensor.dims.length - 2);
    const shape = refConvShape(tensor.dims, candidate.groups, mapKernel);
    const original = weight.name;
    const [first] = candidate.convs;
    weight.name = graph.uniqueName(`${layer}/refconv/base`);
    const map = graph.addInitializer(
      graph.uniqueName(`${layer}/refconv/map`),
      firstMap(dataType, shape, options, layer),
    );
    const emit = new Emitter(graph, candidate.opset, first, `${layer}/refconv`);
    const view = emit.reshape('view', weight, [1, shape.n, ...shape.kernel]);
    const pads = mapKernel.map((m) => m >> 1);
    const delta = emit.op('Conv', 'transform', [view, map], view, {
      dilations: mapKernel.map(() => 1),
      group: shape.groups,
      kernel_shape: mapKernel,
      pads: [...pads, ...pads],
      strides: mapKernel.map(() => 1),
    });
    const shaped = emit.reshape('unview', delta, tensor.dims);
    const transformed = new Value(original, tensorType(dataType, tensor.dims));
    emit.op('Add', 'sum', [weight, shaped], transformed, {}, transformed);
    for (const conv of candidate.convs) conv.setInput(1, transformed);
    return {
      method: 'refconv',
      layer,
      weight: original,
      convs: candidate.convs.map((n) => n.name),
      base: weight.name,
      map: map.name,
      groups: candidate.groups,
      mapKernel: [...mapKernel],
      init: options.init,
      seed: options.seed,
      dataType,
      dims: [...tensor.dims],
      baseSha256: tensorSha256(tensor),
    };
  },

  match(weight, convs) {
    const add = behindViews(weight).producer;
    if (add?.domain !== '' || !(add.opType === 'Add' || add.opType === 'Sum') || add.inputs.length !== 2)
      return undefined;
    for (const [b, d] of [
      [0, 1],
      [1, 0],
    ]) {
      const base = behindViews(add.input(b));
      const transform = behindViews(add.input(d)).producer;
      if (!constantOf(base) || transform?.opType !== 'Conv' || transform.inputs[2]) continue;
      const viewed = behindViews(transform.input(0));
      const map = transform.input(1);
      if (!isCopy(viewed, base) || !constantOf(map)) continue;
      const groups = matchGroups(base, map, transform, convs);
      if (groups === undefined) continue;
      return {
        method: 'refconv',
        transformed: weight,
        convs,
        base,
        map,
        groups,
        mapKernel: constantOf(map)?.dims.slice(2) ?? [],
        frozen: viewed === base ? [base] : [base, viewed],
      };
    }
    return undefined;
  },

  kernel(layer) {
    const base = constantOf(layer.base);
    const map = constantOf(layer.map);
    if (!base || !map) throw new Error(`layer ${layer.layer} has lost its constants`);
    const shape = refConvShape(base.dims, layer.groups, layer.mapKernel);
    return refConvTransform(toFloat64(base), toFloat64(map), shape);
  },
};

/** The map that a layer was expanded with, made again from what its description says. */
export function startingMap(record: LayerRecord): Tensor {
  const shape = refConvShape(record.dims, record.groups, record.mapKernel);
  return firstMap('float32', shape, record, record.layer);
}

function mapKernelOf(options: MethodOptions, axes: number): readonly number[] {
  const m = options.mapKernel;
  return typeof m === 'number' ? new Array<number>(axes).fill(m) : m;
}

/** Maps of depthwise convolutions have millions of elements, all of which follow from the seed. */
function firstMap(
  dataType: FloatType,
  shape: RefConvShape,
  options: Pick<MethodOptions, 'init' | 'seed'>,
  layer: string,
): Tensor {
  const { mapDims } = shape;
  return Tensor.remade(dataType, mapDims, () =>
    fromFloat64(dataType, mapDims, initialMap(shape, options, layer)),
  );
}

function initialMap(
  shape: RefConvShape,
  options: Pick<MethodOptions, 'init' | 'seed'>,
  layer: string,
): Float64Array {
  const data = new Float64Array(sizeOf(shape.mapDims));
  if (options.init === 'zero') return data;
  const random = randomFor(options.seed, 'refconv', layer);
  const bound = xavierBound(shape);
  for (let i = 0; i < data.length; i++) data[i] = (2 * random.next() - 1) * bound;
  return data;
}

/** Steps over nodes that only give a value another shape. */
function behindViews(value: Value): Value {
  let v = value;
  for (;;) {
    const node = v.producer;
    if (node?.domain !== '' || !VIEWS.has(node.opType)) return v;
    v = node.input(0);
  }
}

const VIEWS = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Identity']);

/** The same value, or (a folded Reshape) another constant with the same elements. */
function isCopy(a: Value, b: Value): boolean {
  if (a === b) return true;
  const ta = constantOf(a);
  const tb = constantOf(b);
  return (
    ta !== undefined &&
    tb !== undefined &&
    ta.dataType === tb.dataType &&
    Buffer.compare(ta.bytes(), tb.bytes()) === 0
  );
}

/** The groups g for which base and map have the published shapes; undefined when they are some other sum. */
function matchGroups(base: Value, map: Value, transform: Node, convs: readonly Node[]): number | undefined {
  const w = constantOf(base)?.dims;
  const r = constantOf(map)?.dims;
  const groups = convs[0]?.int('group', 1);
  if (!w || !r || groups === undefined || w.length !== r.length || w.length < 3 || w.length > 4)
    return undefined;
  if (convs.some((n) => n.int('group', 1) !== groups) || w[0] % groups !== 0) return undefined;
  const shape = refConvShape(w, groups, r.slice(2));
  const pads = transform.ints('pads') ?? [];
  const published =
    shape.mapDims.every((d, i) => d === r[i]) &&
    transform.int('group', 1) === shape.groups &&
    pads.length === 2 * shape.mapKernel.length &&
    pads.every((p, i) => p === shape.mapKernel[i % shape.mapKernel.length] >> 1) &&
    [...(transform.ints('strides') ?? []), ...(transform.ints('dilations') ?? [])].every((s) => s === 1);
  return published ? groups : undefined;
}

/** Emits the nodes of one layer right before the first convolution that needs them. */
class Emitter {
  constructor(
    readonly graph: Graph,
    readonly opset: number,
    readonly before: Node,
    readonly prefix: string,
  ) {}

  op(
    opType: string,
    name: string,
    inputs: readonly Value[],
    like: Value,
    attributes: Readonly<Record<string, number | readonly number[]>>,
    output?: Value,
  ): Value {
    const full = this.graph.uniqueName(`${this.prefix}/${name}`);
    const result = output ?? new Value(full, like.type);
    this.graph.addNode(
      { opType, name: full, inputs, outputs: [result], attributes },
      { before: this.before },
    );
    return result;
  }

  /** Before opset 5 the shape is an attribute. */
  reshape(name: string, input: Value, dims: readonly number[]): Value {
    const type = input.type?.kind === 'tensor' ? input.type : undefined;
    const output = new Value(
      this.graph.uniqueName(`${this.prefix}/${name}`),
      type && tensorType(type.dataType, dims),
    );
    if (this.opset < 5) return this.op('Reshape', name, [input], output, { shape: dims }, output);
    const shape = this.graph.addInitializer(
      this.graph.uniqueName(`${this.prefix}/${name}_shape`),
      Tensor.int64([dims.length], dims),
    );
    return this.op('Reshape', name, [input, shape], output, {}, output);
  }
}
