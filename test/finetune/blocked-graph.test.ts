import { test } from 'vitest';
import { emitInternal } from '../../src/finetune/autodiff/internal.js';
import { type GraphBuilder, Tensor, tensorType, type Value } from '../../src/onnx/index.js';
import { blockedCheck } from '../support/blocked-engine.js';
import { inside, type LoweringCase } from '../support/lowering-cases.js';

const check = blockedCheck();

type Inputs = Readonly<Record<string, Value>>;
type Build = (b: GraphBuilder, v: Inputs) => Value;

function conv(b: GraphBuilder, x: Value, w: Value, strides = [1, 1], pads?: readonly number[]): Value {
  const kernel = w.shape?.slice(2) ?? [];
  const around = kernel.map((k) => k >> 1);
  return b.op('Conv', [x, w], { kernel_shape: kernel, strides, pads: pads ?? [...around, ...around] });
}

function norm(b: GraphBuilder, x: Value): Value {
  const channels = x.shape?.[1] ?? 0;
  const type = tensorType('float32', [channels]);
  const per = (f: (i: number) => number): Value =>
    b.f32(Float32Array.from({ length: channels }, (_, i) => f(i)));
  const inputs = [x, per((i) => 1 + (i % 3) / 4), per((i) => (i % 5) / 8 - 0.25), per(() => 0)];
  return emitInternal(b, 'BatchNormTrain', inputs, [x.type, type, type], { epsilon: { float: 1e-5 } })[0];
}

const relu = (b: GraphBuilder, v: Value): Value => b.op('Relu', [v]);
const relu6 = (b: GraphBuilder, v: Value): Value => b.op('Clip', [v, b.f32(0), b.f32(6)]);
const add = (b: GraphBuilder, p: Value, q: Value): Value => b.op('Add', [p, q]);

/** Each graph for channels on the block, off it, and several blocks. */
function eachWidth(
  graphs: Readonly<Record<string, Build>>,
  weights: (c: number) => Readonly<Record<string, readonly number[]>>,
  { widths = [16, 6, 40], size = [6, 7], batch = 2 } = {},
): LoweringCase[] {
  return Object.entries(graphs).flatMap(([name, build]) =>
    widths.map((c) => {
      const all = weights(c);
      // Those that the graph does not read would have no gradient.
      const used = Object.entries(all).filter(([key]) =>
        new RegExp(`\\bv\\.${key}\\b`).test(build.toString()),
      );
      return {
        name: `${name}, ${c}`,
        inputs: { x: [batch, c, ...size] },
        weights: Object.fromEntries(used),
        build: (b, v) => inside(b, build(b, { ...v, x: relu(b, inside(b, v.x)) })),
      };
    }),
  );
}

test('residual joins', () =>
  check(
    eachWidth(
      {
        identity: (b, v) => relu(b, add(b, norm(b, conv(b, v.x, v.w)), v.x)),
        'the other way round': (b, v) => relu(b, add(b, v.x, norm(b, conv(b, v.x, v.w)))),
        'without activation': (b, v) => conv(b, add(b, norm(b, conv(b, v.x, v.w)), v.x), v.p),
        'no normalization': (b, v) => relu6(b, add(b, conv(b, v.x, v.w), v.x)),
        'two convolutions': (b, v) => relu(b, add(b, conv(b, v.x, v.w), conv(b, v.x, v.p))),
        projection: (b, v) =>
          relu(b, add(b, norm(b, conv(b, v.x, v.w, [2, 2])), norm(b, conv(b, v.x, v.p, [2, 2])))),
        'projection, no activation': (b, v) =>
          conv(b, add(b, norm(b, conv(b, v.x, v.w, [2, 2])), norm(b, conv(b, v.x, v.p, [2, 2]))), v.p),
        'projection that pads its end': (b, v) =>
          relu(b, add(b, conv(b, v.x, v.w, [2, 2], [1, 1, 3, 2]), conv(b, v.x, v.p, [2, 2], [0, 0, 2, 1]))),
        'read three times': (b, v) =>
          relu(b, add(b, add(b, norm(b, conv(b, v.x, v.w)), norm(b, conv(b, v.x, v.p))), v.x)),
        'twice in a row': (b, v) => {
          const y = relu(b, add(b, norm(b, conv(b, v.x, v.w)), v.x));
          return relu(b, add(b, norm(b, conv(b, y, v.w)), y));
        },
        'linear bottlenecks': (b, v) => {
          const y = add(b, norm(b, conv(b, relu6(b, norm(b, conv(b, v.x, v.p))), v.w)), v.x);
          return add(b, norm(b, conv(b, relu6(b, norm(b, conv(b, y, v.p))), v.w)), y);
        },
        'shortcut read again': (b, v) => {
          const s = conv(b, v.x, v.p);
          return add(b, relu(b, add(b, conv(b, v.x, v.w), s)), b.op('Sigmoid', [s]));
        },
        'the sum read twice': (b, v) => {
          const s = add(b, norm(b, conv(b, v.x, v.w)), v.x);
          return add(b, relu(b, s), b.op('Tanh', [s]));
        },
        'an activation that moves zero': (b, v) =>
          conv(b, b.op('Clip', [add(b, conv(b, v.x, v.w), v.x), b.f32(0.5), b.f32(2)]), v.p),
        'a tensor and itself': (b, v) => relu(b, add(b, v.x, v.x)),
        'convolution and itself': (b, v) => {
          const y = conv(b, v.x, v.w);
          return relu(b, add(b, y, y));
        },
        'expansion of 1×1 and its normalization': (b, v) =>
          conv(b, relu6(b, norm(b, conv(b, v.x, v.wide))), v.narrow),
        'expansion on a shortcut': (b, v) =>
          add(b, norm(b, conv(b, relu6(b, norm(b, conv(b, v.x, v.wide))), v.narrow)), v.x),
      },
      (c) => ({
        w: [c, c, 3, 3],
        p: [c, c, 1, 1],
        wide: [6 * c, c, 1, 1],
        narrow: [c, 6 * c, 1, 1],
      }),
    ),
  ));

test('squeeze and excite', () => {
  const excite =
    (gate: Build, pool: (b: GraphBuilder, x: Value) => Value): Build =>
    (b, v) => {
      const squeezed = relu(b, conv(b, pool(b, v.x), v.down));
      return b.op('Mul', [v.x, gate(b, { ...v, s: conv(b, squeezed, v.up) })]);
    };
  const global = (b: GraphBuilder, x: Value): Value => b.op('GlobalAveragePool', [x]);
  const mean = (b: GraphBuilder, x: Value): Value => b.op('ReduceMean', [x, b.i64([2, 3])]);
  const sigmoid: Build = (b, v) => b.op('Sigmoid', [v.s]);
  const hard: Build = (b, v) => b.op('HardSigmoid', [v.s], { alpha: { float: 1 / 6 }, beta: { float: 0.5 } });
  const graphs: Readonly<Record<string, Build>> = {
    sigmoid: excite(sigmoid, global),
    'hard sigmoid': excite(hard, global),
    'mean over pixels': excite(sigmoid, mean),
    'on a convolution': (b, v) => {
      const y = relu(b, norm(b, conv(b, v.x, v.w)));
      return relu(b, norm(b, conv(b, excite(hard, global)(b, { ...v, x: y }), v.w)));
    },
    'with a sum around': (b, v) => add(b, excite(sigmoid, global)(b, v), v.x),
    'by a constant per channel': (b, v) => {
      const c = v.x.shape?.[1] ?? 0;
      const per = b.f32(
        Float32Array.from({ length: c }, (_, i) => 1 + i / 4),
        [c, 1, 1],
      );
      return b.op('Mul', [v.x, b.op('Mul', [b.op('Sigmoid', [global(b, v.x)]), per])]);
    },
  };
  const named = (c: number, squeeze: number, batch: number): LoweringCase[] =>
    Object.entries(graphs).map(([name, build]) => {
      const weights = name.startsWith('by') ? {} : { down: [squeeze, c, 1, 1], up: [c, squeeze, 1, 1] };
      return {
        name: `${name}, ${c} by ${squeeze}, batch ${batch}`,
        inputs: { x: [batch, c, 6, 5] },
        weights: { ...weights, ...(name.startsWith('on') ? { w: [c, c, 3, 3] } : {}) },
        build: (b, v) => inside(b, build(b, { ...v, x: relu(b, inside(b, v.x)) })),
      };
    });
  return check([...named(16, 4, 2), ...named(24, 6, 2), ...named(18, 5, 1), ...named(40, 16, 1)]);
});

test('pools', () => {
  const max =
    (attributes: Parameters<GraphBuilder['op']>[2]): Build =>
    (b, v) =>
      b.op('MaxPool', [v.x], attributes);
  const average =
    (attributes: Parameters<GraphBuilder['op']>[2]): Build =>
    (b, v) =>
      b.op('AveragePool', [v.x], attributes);
  const k3 = { kernel_shape: [3, 3] };
  const k2 = { kernel_shape: [2, 2] };
  const pools = (pool: typeof max, kind: string): Record<string, Build> => ({
    [`${kind} 3 by 2, 1 around`]: pool({ ...k3, strides: [2, 2], pads: [1, 1, 1, 1] }),
    [`${kind} 3 by 2`]: pool({ ...k3, strides: [2, 2] }),
    [`${kind} 3 by 2, TensorFlow`]: pool({ ...k3, strides: [2, 2], pads: [0, 0, 1, 1] }),
    [`${kind} 2 by 2`]: pool({ ...k2, strides: [2, 2] }),
    [`${kind} 3 by 1, 1 around`]: pool({ ...k3, pads: [1, 1, 1, 1] }),
    [`${kind} 3 by 2, up`]: pool({ ...k3, strides: [2, 2], ceil_mode: 1 }),
    [`${kind} 2 by 3, up`]: pool({ ...k2, strides: [3, 3], ceil_mode: 1 }),
    [`${kind} 3 by 2, 1 around, up`]: pool({ ...k3, strides: [2, 2], pads: [1, 1, 1, 1], ceil_mode: 1 }),
    [`${kind} 2 by 3`]: pool({ ...k2, strides: [3, 3] }),
    [`${kind} 1×3 by 1×2`]: pool({ kernel_shape: [1, 3], strides: [1, 2], pads: [0, 1, 0, 1] }),
    [`${kind} dilated`]: pool({ ...k3, dilations: [2, 2] }),
    [`${kind} dilated by 2`]: pool({ ...k2, dilations: [2, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
  });
  const counted = (attributes: Parameters<GraphBuilder['op']>[2]): Build =>
    average({ ...attributes, count_include_pad: 1 });
  // Largest values that tie: zeros, and those at the upper end.
  const rectified =
    (high: number): typeof max =>
    (attributes) =>
    (b, v) =>
      b.op('MaxPool', [high > 1 ? relu(b, v.x) : b.op('Clip', [v.x, b.f32(0), b.f32(high)])], attributes);
  const graphs = {
    ...pools(max, 'max'),
    ...pools(rectified(Number.POSITIVE_INFINITY), 'max of a rectifier'),
    ...pools(rectified(0.5), 'max of a clip'),
    'max of a rectifier that others read': ((b, v) => {
      const x = relu(b, v.x);
      return b.op('Add', [x, b.op('MaxPool', [x], { ...k3, pads: [1, 1, 1, 1] })]);
    }) satisfies Build,
    ...pools(average, 'average'),
    ...pools(counted, 'average with pads'),
    'global average': ((b, v) => b.op('Mul', [v.x, b.op('GlobalAveragePool', [v.x])])) satisfies Build,
    'global max': ((b, v) => b.op('Mul', [v.x, b.op('GlobalMaxPool', [v.x])])) satisfies Build,
    'max of regions that are flat': ((b, v) =>
      b.op('MaxPool', [b.op('Clip', [v.x, b.f32(0.4), b.f32(0.8)])], {
        ...k3,
        strides: [2, 2],
        pads: [1, 1, 1, 1],
      })) satisfies Build,
    'max after a convolution': ((b, v) =>
      b.op('MaxPool', [relu(b, norm(b, conv(b, v.x, v.w)))], {
        ...k3,
        strides: [2, 2],
        pads: [1, 1, 1, 1],
      })) satisfies Build,
    'sum over pixels': ((b, v) =>
      b.op('Mul', [v.x, b.op('ReduceSum', [b.op('Mul', [v.x, v.x]), b.i64([2, 3])])])) satisfies Build,
  };
  return check(eachWidth(graphs, (c) => ({ w: [c, c, 3, 3] }), { widths: [16, 6], size: [7, 8] }));
});

test('concatenated, cut and moved', () =>
  check(
    eachWidth(
      {
        'two of them': (b, v) => conv(b, b.op('Concat', [v.x, conv(b, v.x, v.w)], { axis: 1 }), v.double),
        'itself twice': (b, v) => conv(b, b.op('Concat', [v.x, v.x], { axis: 1 }), v.double),
        'images below each other': (b, v) => b.op('Concat', [v.x, conv(b, v.x, v.w)], { axis: 2 }),
        'dense block': (b, v) => {
          const p = b.op('Concat', [v.x, relu(b, norm(b, conv(b, v.x, v.w)))], { axis: 1 });
          return b.op('Concat', [p, conv(b, relu(b, norm(b, p)), v.double)], { axis: 1 });
        },
        'first channels': (b, v) => relu(b, cut(b, conv(b, v.x, v.w), 1, 0, 2)),
        'last channels': (b, v) => relu(b, cut(b, conv(b, v.x, v.w), 1, -2, 1000)),
        'second half': (b, v) => {
          const y = conv(b, v.x, v.w);
          const c = y.shape?.[1] ?? 0;
          return b.op('Mul', [cut(b, y, 1, 0, c / 2), b.op('Sigmoid', [cut(b, y, 1, c / 2, c)])]);
        },
        'a window': (b, v) => relu(b, cut(b, cut(b, conv(b, v.x, v.w), 2, 1, 5), 3, 2, 7)),
        'every second pixel': (b, v) =>
          conv(b, b.op('Slice', [v.x, b.i64([0, 0]), b.i64([9, 9]), b.i64([2, 3]), b.i64([2, 2])]), v.w),
        padded: (b, v) => conv(b, b.op('Pad', [v.x, b.i64([0, 0, 1, 0, 0, 0, 2, 1])]), v.w),
        'channels padded': (b, v) => {
          const c = v.x.shape?.[1] ?? 0;
          return conv(b, b.op('Pad', [v.x, b.i64([0, c / 2, 0, 0, 0, c / 2, 0, 0])]), v.double);
        },
        shuffled: (b, v) => {
          const [n, c, h, w] = conv(b, v.x, v.w).shape ?? [];
          const split = b.op('Reshape', [conv(b, v.x, v.w), b.i64([n, 2, c / 2, h, w])]);
          const turned = b.op('Transpose', [split], { perm: [0, 2, 1, 3, 4] });
          return conv(b, b.op('Reshape', [turned, b.i64([n, c, h, w])]), v.w);
        },
        enlarged: (b, v) =>
          conv(
            b,
            b.op('Resize', [v.x, undefined, b.f32([1, 1, 2, 2])], {
              mode: 'nearest',
              coordinate_transformation_mode: 'asymmetric',
              nearest_mode: 'floor',
            }),
            v.w,
          ),
        transposed: (b, v) =>
          b.op('Transpose', [b.op('Transpose', [conv(b, v.x, v.w)], { perm: [0, 2, 3, 1] })], {
            perm: [0, 3, 1, 2],
          }),
      },
      (c) => ({ w: [c, c, 3, 3], double: [c, 2 * c, 3, 3] }),
    ),
  ));

function cut(b: GraphBuilder, v: Value, axis: number, from: number, to: number): Value {
  return b.op('Slice', [v, b.i64([from]), b.i64([to]), b.i64([axis])]);
}

test('element by element, with what is broadcast, chosen and cast', () =>
  check(
    [1, 2].flatMap((batch) =>
      eachWidth(
        {
          'scalar added': (b, v) => conv(b, add(b, v.x, b.f32(0.5)), v.w),
          'scalar of one axis': (b, v) => conv(b, b.op('Mul', [v.x, b.f32([0.5], [1])]), v.w),
          'per channel': (b, v) => conv(b, b.op('Mul', [add(b, v.x, v.scale), v.row]), v.w),
          'per channel of one pixel': (b, v) =>
            b.op('Mul', [v.x, b.op('Sigmoid', [add(b, b.op('GlobalAveragePool', [v.x]), v.scale)])]),
          'per channel and image': (b, v) => b.op('Sub', [v.x, b.op('GlobalMaxPool', [conv(b, v.x, v.w)])]),
          'per pixel': (b, v) => b.op('Mul', [v.x, b.op('Sigmoid', [b.op('ReduceMean', [v.x, b.i64([1])])])]),
          'quotient of maps': (b, v) => b.op('Div', [v.x, add(b, b.op('Mul', [v.x, v.x]), b.f32(1))]),
          'scalar through a map': (b, v) => b.op('Div', [b.f32(1), add(b, v.x, b.f32(2))]),
          'larger of two': (b, v) => b.op('Max', [conv(b, v.x, v.w), v.x]),
          'smaller of three': (b, v) => b.op('Min', [conv(b, v.x, v.w), v.x, b.f32(0.3)]),
          'chosen by a map': (b, v) =>
            b.op('Where', [b.op('Greater', [v.x, b.f32(0.5)]), conv(b, v.x, v.w), v.x]),
          'chosen by a mask': (b, v) => {
            const y = conv(b, v.x, v.w);
            const dims = y.shape ?? [];
            const size = dims.reduce((p, d) => p * d, 1);
            const mask = Tensor.bool(
              dims,
              Array.from({ length: size }, (_, i) => i % 3 === 0),
            );
            return b.op('Where', [b.constant(mask), y, b.op('Neg', [y])]);
          },
          'chosen by two maps': (b, v) => {
            const y = conv(b, v.x, v.w);
            const both = b.op('And', [
              b.op('Greater', [y, b.f32(-1)]),
              b.op('Not', [b.op('Less', [v.x, b.f32(0.2)])]),
            ]);
            return b.op('Mul', [y, b.op('Cast', [both], { to: 1 })]);
          },
          'whole numbers as a mask': (b, v) => {
            const y = conv(b, v.x, v.w);
            const whole = b.op('Cast', [b.op('Cast', [b.op('Greater', [y, b.f32(0)])], { to: 6 })], {
              to: 1,
            });
            return b.op('Mul', [y, add(b, whole, b.f32(1))]);
          },
          'whole numbers, read in order': (b, v) => {
            const y = conv(b, v.x, v.w);
            const whole = b.op('Cast', [b.op('Greater', [y, b.f32(0)])], { to: 6 });
            const rows = b.op('Cast', [b.op('Transpose', [whole], { perm: [0, 1, 3, 2] })], { to: 1 });
            return b.op('Mul', [y, b.op('Transpose', [rows], { perm: [0, 1, 3, 2] })]);
          },
          'by a slope per channel': (b, v) => b.op('PRelu', [conv(b, v.x, v.w), v.scale]),
          'of one name more': (b, v) => relu(b, b.op('Identity', [conv(b, v.x, v.w)])),
          'over all channels': (b, v) => b.op('Softmax', [conv(b, v.x, v.w)], { axis: 1 }),
          'norm of a pixel': (b, v) =>
            b.op('Div', [v.x, add(b, b.op('ReduceL2', [v.x, b.i64([1])]), b.f32(1))]),
        },
        (c) => ({ w: [c, c, 3, 3], scale: [c, 1, 1], row: [1, c, 1, 1] }),
        { widths: [16, 6], size: [4, 5], batch },
      ).map((one) => ({ ...one, name: `${one.name}, batch ${batch}` })),
    ),
  ));
