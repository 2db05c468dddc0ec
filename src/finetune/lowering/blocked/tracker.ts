import { Tensor, type Value } from '../../../onnx/index.js';
import { type KernelLayout, packedDims, packInGraph, packKernel, unpackInGraph } from './kernel.js';
import type { Activation, Blocked, Nchwc } from './nchwc.js';
import type { Pointwise, PointwiseGradient } from './pointwise-norm.js';

/** What a convolution that is not emitted yet can still take in. */
export interface Extra {
  /** Applied last; the result stands for the activation's output. */
  readonly activation?: Activation;
  /** Added before the activation. */
  readonly sum?: Value;
  /** [Op], subtracted from every pixel. */
  readonly shift?: Value;
  /** [Op], 1 or −1: every pixel times it, after the shift. */
  readonly sign?: Value;
  /** Added at the pixels that a stride of the pending gradient reaches, [N, Cp, ⌈H/s⌉, ⌈W/s⌉]. */
  readonly compact?: Value;
}

/** A result whose operators are emitted where it is first needed, so that a reader can be fused into them. */
export interface Pending {
  readonly takes: readonly (keyof Extra)[];
  emit(extra: Extra): Blocked;
  /** Set where the result is zero except at the multiples of `strides`: only those pixels, [N, Cp, ⌈H/s⌉, ⌈W/s⌉]. */
  readonly compact?: { readonly strides: readonly number[]; emit(): Blocked };
  /** The strides whose multiples `Extra.compact` is added at. */
  readonly strides?: readonly number[];
  /** Set for 1×1 convolutions of stride 1. */
  readonly pointwise?: Pointwise;
  readonly increasing?: Increasing;
}

/** What a result is made of element by element, by increasing functions: the largest elements can be taken first. */
export interface Increasing {
  readonly source: Blocked;
  /** The result of some elements of the source. */
  of(elements: Blocked, extra: Pick<Extra, 'activation'>): Blocked;
}

/** A gradient that is zero but at the places that the largest values of windows come from. */
export interface Unpooled {
  /** The windows' gradients. */
  readonly small: Blocked;
  /** Their largest values. */
  readonly largest: Blocked;
  /** The map that they come from. */
  readonly source: Blocked;
  emit(): Blocked;
}

/** How the value of an NCHW tensor of the original graph is at hand. */
export type Entry =
  | { readonly kind: 'blocked'; readonly blocked: Blocked }
  | { readonly kind: 'pending'; readonly pending: Pending }
  /** A residual sum that only an activation reads: the activation is to be fused as well. */
  | { readonly kind: 'residual'; readonly pending: Pending; readonly other: Value }
  /** The same number for all pixels of a map: `small` is [N, Cp, 1, 1]. */
  | { readonly kind: 'spread'; readonly small: Blocked; readonly dims: readonly number[] }
  /** `factor` [Cp] times `blocked`; the product is left to the convolutions that read it. */
  | { readonly kind: 'scaled'; readonly blocked: Blocked; readonly factor: Value }
  | { readonly kind: 'unpooled'; readonly gradient: Unpooled }
  /** The gradient of a map that was never stored: what its convolution's gradients would make of it. */
  | { readonly kind: 'unstored'; readonly gradient: PointwiseGradient }
  /** An element-wise product that only a sum over pixels reads. */
  | { readonly kind: 'product'; readonly left: Blocked; readonly right: Blocked };

/** A kernel that is computed in the graph, in the layout that its convolution turns out to want. */
export interface KernelMaker {
  /** Undefined where there is no way but by the plain kernel. */
  packed(layout: KernelLayout): Value | undefined;
  /** OIHW. */
  plain(): Value;
}

export interface PackedKernel {
  readonly layout: KernelLayout;
  readonly value: Value;
}

/**
 * Knows, for the values of the graph as autodiff left it, their blocked stand-ins, and converts where a reader wants the
 * other form. Conversions are made once, right before the first reader; every later one stands further down.
 */
export class Tracker {
  readonly n: Nchwc;
  readonly #entries = new Map<Value, Entry>();
  readonly #plain = new Map<Value, Value>();
  readonly #clean = new Map<Value, Blocked>();
  readonly #kernels = new Map<Value, PackedKernel>();
  readonly #makers = new Map<Value, KernelMaker>();
  /** Trainable kernels whose state may be stored packed. */
  readonly #parameters: ReadonlySet<Value>;
  readonly #replaced = new Map<Value, Value>();
  readonly #derived = new Map<Value, Map<string, Value>>();

  constructor(n: Nchwc, parameters: ReadonlySet<Value>) {
    this.n = n;
    this.#parameters = parameters;
  }

  /** An NCHW value takes the place of another, for all readers. */
  replace(v: Value, by: Value): void {
    this.n.b.graph.replaceUses(v, by);
    this.#replaced.set(v, by);
  }

  /** What took the place of a value. */
  current(v: Value): Value {
    return this.#replaced.get(v) ?? v;
  }

  entry(v: Value): Entry | undefined {
    return this.#entries.get(v);
  }

  set(v: Value, entry: Entry): void {
    this.#entries.set(v, entry);
  }

  setBlocked(v: Value, blocked: Blocked): void {
    this.set(v, { kind: 'blocked', blocked });
  }

  /** A pending result that only this reader waits for, and that can take in `what`. */
  pending(v: Value, what: keyof Extra): Pending | undefined {
    const entry = this.#entries.get(v);
    if (entry?.kind !== 'pending' || !entry.pending.takes.includes(what)) return undefined;
    return v.uses.length === 1 && !v.isOutput ? entry.pending : undefined;
  }

  /** The blocked form; an NCHW value is converted. */
  blocked(v: Value): Blocked {
    const entry = this.#entries.get(v);
    if (entry?.kind === 'blocked') return entry.blocked;
    // A kernel that only its convolution's layout has is unpacked first.
    const plain = entry ? undefined : this.plain(v);
    const blocked = entry ? this.#materialize(entry) : this.n.block4(plain ?? v, dimsOf(v));
    if (plain) this.#plain.set(v, plain);
    this.setBlocked(v, blocked);
    return blocked;
  }

  /** The blocked form with zeros in the padding. */
  clean(v: Value): Blocked {
    const blocked = this.blocked(v);
    if (!blocked.dirty) return blocked;
    const known = this.#clean.get(blocked.value);
    if (known) return known;
    const channels = blocked.dims[1];
    const mask = this.n.shared(`first ${blocked.channels} of ${channels}`, () =>
      this.n.b.f32(Float32Array.from({ length: channels }, (_, c) => (c < blocked.channels ? 1 : 0))),
    );
    const value = this.n.affine(blocked.value, blocked.dims, { scale: mask });
    const made = { ...blocked, value, dirty: false };
    this.#clean.set(blocked.value, made);
    return made;
  }

  /** The value as the original graph has it. */
  plain(v: Value): Value {
    const kernel = this.#kernels.get(v);
    if (kernel && !this.#parameters.has(v))
      return this.#once(this.#plain, v, () => unpackInGraph(this.n.b, kernel.layout, kernel.value));
    const maker = this.#makers.get(v);
    if (maker) return this.#once(this.#plain, v, () => maker.plain());
    if (!this.#entries.has(v)) return v;
    const known = this.#plain.get(v);
    if (known) return known;
    const blocked = this.blocked(v);
    const type = v.type?.kind === 'tensor' ? v.type.dataType : 'float32';
    const { b } = this.n;
    const made =
      type === 'bool'
        ? b.op(
            'Cast',
            [
              this.n.plain4(
                { ...blocked, value: b.op('Cast', [blocked.value], { to: 1 }) },
                blocked.channels,
              ),
            ],
            { to: 9 },
          )
        : this.n.plain4(blocked, blocked.channels);
    this.#plain.set(v, made);
    return made;
  }

  /** Whether the value itself is at hand, so that an NCHW reader costs nothing. */
  isPlain(v: Value): boolean {
    return (
      !this.#kernels.has(v) && !this.#makers.has(v) && (!this.#entries.has(v) || this.#plain.get(v) === v)
    );
  }

  /** A kernel as the convolutions of `layout` want it. */
  kernel(v: Value, layout: KernelLayout): Value {
    const known = this.#kernels.get(v);
    if (known && sameLayout(known.layout, layout)) return known.value;
    const key = `packed ${layout.kind} [${layout.dims}]`;
    const constant = v.constant?.typed();
    if (constant instanceof Float32Array)
      return this.derived(v, key, () =>
        this.n.b.constant(
          Tensor.derivedFloat32(packedDims(layout), () => packKernel(layout, constant)),
          `${v.name}/packed`,
        ),
      );
    const made = known ? undefined : this.#makers.get(v)?.packed(layout);
    if (made) {
      this.#kernels.set(v, { layout, value: made });
      return made;
    }
    if (known || !this.#parameters.has(v)) {
      const plain = known ? unpackInGraph(this.n.b, known.layout, known.value) : this.plain(v);
      return this.derived(v, key, () => packInGraph(this.n.b, layout, plain));
    }
    const { graph } = this.n.b;
    const value = graph.addInput(graph.uniqueName(`${v.name}/packed`), {
      kind: 'tensor',
      dataType: 'float32',
      shape: packedDims(layout),
    });
    this.#kernels.set(v, { layout, value });
    return value;
  }

  packed(v: Value): PackedKernel | undefined {
    return this.#kernels.get(v);
  }

  setMaker(v: Value, maker: KernelMaker): void {
    this.#makers.set(v, maker);
  }

  setKernel(v: Value, kernel: PackedKernel): void {
    this.#kernels.set(v, kernel);
  }

  /** What several nodes make of a value: made once per key. */
  derived(v: Value, what: string, make: () => Value): Value {
    const known = this.#derived.get(v) ?? new Map<string, Value>();
    this.#derived.set(v, known);
    const value = known.get(what) ?? make();
    known.set(what, value);
    return value;
  }

  #materialize(entry: Exclude<Entry, { kind: 'blocked' }>): Blocked {
    const { n } = this;
    switch (entry.kind) {
      case 'pending':
        return entry.pending.emit({});
      case 'residual': {
        const first = entry.pending.emit({});
        const value = n.plus(first.value, this.clean(entry.other).value, first.dims);
        return { ...first, value };
      }
      case 'unpooled':
        return entry.gradient.emit();
      case 'unstored':
        throw new Error('the gradient of a map that was never stored has another reader');
      case 'scaled':
        return {
          ...entry.blocked,
          value: n.affine(entry.blocked.value, entry.blocked.dims, { scale: entry.factor }),
        };
      case 'spread': {
        const { small, dims } = entry;
        const [count, c, h, w] = dims;
        const shape = [count, c / n.block, h * w, n.block];
        const wide = n.b.op('Expand', [n.panels(small.value, [count, c, 1, 1]), n.b.i64(shape)]);
        return { ...small, dims, value: n.reshape(wide, dims) };
      }
      case 'product': {
        const { left, right } = entry;
        const dirty = left.dirty && right.dirty;
        return { ...left, dirty, value: n.b.op('Mul', [left.value, right.value]) };
      }
    }
  }

  #once(map: Map<Value, Value>, v: Value, make: () => Value): Value {
    const value = map.get(v) ?? make();
    map.set(v, value);
    return value;
  }
}

export function sameLayout(p: KernelLayout, q: KernelLayout): boolean {
  return p.kind === q.kind && p.block === q.block && p.dims.every((d, i) => d === q.dims[i]);
}

function dimsOf(v: Value): readonly number[] {
  if (!v.shape) throw new Error(`the shape of '${v.name}' is not known`);
  return v.shape;
}
