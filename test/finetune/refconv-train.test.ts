import { afterAll, beforeAll, describe, expect } from 'vitest';
import { chooseLowering } from '../../src/finetune/lowering/choose.js';
import type { TrainStep } from '../../src/finetune/step/build.js';
import { type Model, Tensor } from '../../src/onnx/index.js';
import {
  constantOf,
  type FormLayer,
  frozenHashes,
  fuse,
  mapGradient,
  readForm,
  type TrainingForm,
  toFloat64,
} from '../../src/reparam/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import type { ArrayData } from '../support/arrays.js';
import { expectClose } from '../support/close.js';
import { goldenTest, haveGoldens } from '../support/goldens.js';
import {
  floats,
  keyOf,
  keysAt,
  REFCONV_NETS,
  REFCONV_STEPS,
  refconvFeeds,
  refconvGolden,
  refconvStep,
  trainedForm,
  trainedValues,
} from '../support/refconv-golden.js';

let engine: Engine;
if (haveGoldens) {
  beforeAll(async () => {
    engine = await createEngine();
  });
  afterAll(() => engine.close());
}

const FORMS = ['explicit', 'gram', 'auto'] as const;

describe.each(['portable', 'parallel', 'blocked'] as const)(
  'refocusing for ten steps against PyTorch, %s',
  (choice) => {
    for (const [net, form] of REFCONV_NETS.flatMap((n) => FORMS.map((f) => [n, f] as const)))
      goldenTest(`${net}, ${form}`, async () => {
        const net10 = await refconvGolden(net);
        const { info, gold, data, expanded, maps, training } = net10;
        expect(expanded.form.layers.map((l) => l.layer).sort()).toEqual([...info.replaced].sort());
        checkKernels(training, gold, 'start');
        const step = await refconvStep(net10, engine, await chooseLowering(engine, choice), form);
        const gram = form === 'explicit' ? 0 : form === 'gram' ? maps.size : depthwise(expanded.form).length;
        expect(step.gram).toHaveLength(gram);
        const session = await engine.stepSession(step.model, {
          state: step.state,
          initial: new Map(step.state.map((s) => [s.input, s.initial])),
          fetch: [...step.fetch, ...step.probes.values()],
        });
        const apart = KINKS[choice][net] ?? 10;
        const losses: number[] = [];
        for (let i = 0; i < REFCONV_STEPS; i++) {
          const out = await session.step(refconvFeeds(net10, step, i));
          losses.push(Number(out.get(step.loss)?.typed()[0]));
          if (i === 0) checkGradients(step, out, maps, gold);
          if (i < apart && (i === 0 || i === 4 || i === 9)) {
            const now = await trainedForm(training, step, session);
            checkState(now, step, maps, gold, `after${i + 1}`);
            checkKernels(now, gold, `after${i + 1}`);
          }
        }
        // The loss of a step is that of the weights before it.
        const goldLosses = Array.from(floats(gold.get('losses'), 'losses'));
        const together = Math.min(apart + 1, 10);
        expectClose(
          losses.slice(0, together),
          goldLosses.slice(0, together),
          { absolute: 1e-5, relative: 1e-5 },
          'losses',
        );
        expect(losses.every(Number.isFinite)).toBe(true);

        const trained = await trainedForm(training, step, session);
        expect(frozenHashes(trained)).toEqual(frozenHashes(expanded.model));
        await session.release();
        const input = Tensor.float32(info.input_shape, floats(data.get('input'), 'input'));
        const [own, fused] = await Promise.all(
          [trained, fuse(trained).model].map((model) => logitsOf(model, input)),
        );
        // The README's bound on logits after ten steps.
        const expected = apart < 10 ? own : floats(gold.get('after10.eval_logits'), 'logits');
        expectClose(own, expected, { absolute: 1e-4 }, 'eval logits');
        expectClose(fused, expected, { absolute: 1e-4 }, 'eval logits, fused');
      });
  },
);

async function logitsOf(model: Model, input: Tensor): Promise<Float32Array> {
  const run = await engine.session(model);
  const out = await run.run(new Map([['input', input]]));
  await run.release();
  const logits = out.get('logits')?.typed();
  if (!(logits instanceof Float32Array)) throw new Error('logits');
  return logits;
}

/** Layers that the Gram form makes smaller: all of these nets' depthwise ones. */
const depthwise = ({ layers }: TrainingForm): readonly FormLayer[] => layers.filter((l) => l.groups > 4);

/** The README's bound on parameters and kernels. */
const BOUND = { absolute: 2e-5 };

/**
 * The step (from 0) in which, evaluated in float64, a pre-activation lies nearer to the 0 or 6 of a ReLU6 than float32
 * tells apart: 5.1e-7 (at 6) and 1.4e-7. On which side a run comes out depends on its rounding, and the runs part there.
 * The goldens were chosen so that PyTorch's side is that of float64; the blocked lowering sums in another order and falls
 * on the other side: it is compared up to there. So does the parallel one, in one form each: within 2e-6 of the portable
 * one until then, and 4e-5 and 3e-5 from it after that very step.
 */
const KINKS: Readonly<Record<'portable' | 'parallel' | 'blocked', Readonly<Record<string, number>>>> = {
  portable: {},
  parallel: { mobilenet_v2_narrow: 8, mobilenet_v2_zero_map5: 9 },
  blocked: { mobilenet_v2_narrow: 3, mobilenet_v2_zero_map5: 9 },
};

function checkState(
  model: Model,
  step: TrainStep,
  maps: ReadonlyMap<string, string>,
  gold: ReadonlyMap<string, ArrayData>,
  when: string,
): void {
  const values = trainedValues(model, step, maps);
  for (const [name, got] of values) {
    const key = `${when}.${name}`;
    expectClose(got, floats(gold.get(key), key), BOUND, key);
  }
  expect(values.size, 'every parameter and statistic').toBe(keysAt(gold, when).length);
}

function checkKernels(training: Model, gold: ReadonlyMap<string, ArrayData>, when: string): void {
  const fused = fuse(training).model;
  const values = new Map([...fused.graph.initializers].map((v) => [v.name, v]));
  const layers = readForm(training)?.layers ?? [];
  expect(layers.length).toBeGreaterThan(0);
  for (const l of layers) {
    const value = values.get(l.weight);
    const got = value && constantOf(value)?.typed();
    if (!(got instanceof Float32Array)) throw new Error(l.weight);
    expectClose(got, floats(gold.get(`${when}.${l.layer}.w_t`), l.layer), BOUND, `${when} W_t of ${l.layer}`);
  }
}

function checkGradients(
  step: TrainStep,
  out: ReadonlyMap<string, Tensor>,
  maps: ReadonlyMap<string, string>,
  gold: ReadonlyMap<string, ArrayData>,
): void {
  for (const [name, output] of step.probes) {
    // Z's gradient is that of W_t; the map's is D·Uᵀ.
    const layer = step.gram.find((l) => l.z === name);
    const key = name === 'logits' ? 'step1.logits' : `step1.grad.${keyOf(layer?.map ?? name, maps)}`;
    const expected = gold.get(key);
    if (!expected && name === step.image) continue;
    const probe = out.get(output);
    if (!probe) throw new Error(name);
    const got = layer ? mapGradient(toFloat64(layer.base), toFloat64(probe), layer.shape) : toFloat64(probe);
    expectClose(got, floats(expected, key), { absolute: 2e-5, relative: 1e-4 }, key);
  }
}
