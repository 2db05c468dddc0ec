/** A zoo network through the whole path: the graph, a run, a training step, RefConv's expansion, fusing. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  PREPROCESS_KEY,
  type Preprocess,
  parsePreprocess,
  presetPreprocess,
} from '../../src/base/preprocess.js';
import { randomFor } from '../../src/base/random.js';
import { chooseLowering, type LoweringChoice } from '../../src/finetune/lowering/choose.js';
import { buildTrainStep } from '../../src/finetune/step/build.js';
import { prepareTraining } from '../../src/finetune/step/prepare.js';
import { type Model, sizeOf, Tensor } from '../../src/onnx/index.js';
import { verifyModel } from '../../src/onnx/verify.js';
import { expand, fuse, verify } from '../../src/reparam/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { buildModel, type ZooOptions } from '../../src/zoo/index.js';
import { inputDims, normals, run } from './support.js';

const BATCH = 8;

export interface NetworkCase {
  readonly name: string;
  /** Narrow and with few classes: a case should take seconds. */
  readonly options: ZooOptions & { readonly size: number };
  /** Learning rate of the step. Default: 0.02. */
  readonly lr?: number;
  /** Weights of further outputs in the loss. */
  readonly auxiliary?: ReadonlyMap<string, number>;
  /** The family's function, for a network that is shorter than the registry's: deep ones take minutes. */
  readonly build?: (options: ZooOptions) => Model;
}

/** Checks one network; call it in a file of its own family. */
export function checkNetwork({ name, options, lr = 0.02, auxiliary, build }: NetworkCase): void {
  describe(`${name} ${JSON.stringify(options)}`, () => {
    const classes = options.classes ?? 10;
    const model = build ? build({ ...options, classes }) : buildModel(name, { ...options, classes });
    const [, ...image] = inputDims(model);
    // Where images have colours, one normalization for all networks: the learning rates are chosen for it.
    const pixels = image[0] === 3 ? presetPreprocess('imagenet', options.size) : ownPreprocess(model);
    let engine: Engine;
    beforeAll(async () => {
      engine = await createEngine();
    });
    afterAll(() => engine.close());

    test('is a valid model with every type known', () => {
      verifyModel(model);
      for (const node of model.graph.nodes)
        for (const output of node.outputs)
          expect(output.type, output.name).toMatchObject({ kind: 'tensor', dataType: 'float32' });
      for (const output of model.graph.outputs) expect(output.type).toMatchObject({ shape: ['N', classes] });
    });

    test('runs for any batch, with finite outputs', async () => {
      const y = await run(model, [3, ...image], normals(3 * sizeOf(image), 1));
      expect(y.dims).toEqual([3, classes]);
      expect(y.data.every(Number.isFinite)).toBe(true);
    });

    test('a training step lowers the loss of its batch', async () => {
      const [before, after] = await losses('portable');
      expect(before).toBeGreaterThan(0);
      expect(after).toBeLessThan(before);
      // The engine's own layout, where it has one.
      const [same, lower] = await losses('auto');
      expect(Math.abs(same - before)).toBeLessThan(1e-4 * before);
      expect(lower).toBeLessThan(same);
    });

    test('expanded from zero it is the same function, and fused it is the expanded one', async () => {
      const zero = expand(model, { init: 'zero' });
      expect(zero.refused).toEqual([]);
      expect((await verify(model, zero.model, engine)).equivalent).toBe(true);
      const { model: training } = expand(model, { init: 'xavier' });
      const report = await verify(training, fuse(training).model, engine);
      expect(report).toMatchObject({ equivalent: true });
      expect(report.maxRelative).toBeLessThan(1e-5);
      expect((await verify(model, training, engine)).equivalent).toBe(false);
    });

    /** Losses of a fixed batch without dropout: before the first step, before the second. */
    async function losses(lowering: LoweringChoice): Promise<number[]> {
      const prepared = await prepareTraining(model, {
        batch: BATCH,
        image,
        engine,
        ...(auxiliary && { auxiliary }),
      });
      const step = buildTrainStep(prepared, {
        preprocess: pixels,
        optimizer: { kind: 'sgd', momentum: 0.9, nesterov: false },
        weightDecay: 0,
        decayAll: false,
        loss: { kind: 'cross-entropy', labelSmoothing: 0 },
        bn: 'train',
        dropout: 'off',
        lowering: await chooseLowering(engine, lowering),
      });
      const session = await engine.stepSession(step.model, {
        state: step.state,
        initial: new Map(step.state.map((s) => [s.input, s.initial])),
        fetch: step.fetch,
      });
      const random = randomFor(0, 'test batch');
      const dims = [BATCH, ...image];
      const images = Uint8Array.from({ length: sizeOf(dims) }, () => random.int(256));
      const labels = Int32Array.from({ length: BATCH }, () => random.int(classes));
      const found: number[] = [];
      try {
        for (let i = 0; i < 2; i++) {
          const out = await session.step(
            new Map([
              [step.image, Tensor.uint8(dims, images)],
              [step.label, Tensor.int32([BATCH], labels)],
              [step.lr, Tensor.float32([], [lr])],
            ]),
          );
          found.push(Number(out.get(step.loss)?.typed()[0]));
        }
      } finally {
        await session.release();
      }
      return found;
    }
  });
}

function ownPreprocess(model: Model): Preprocess {
  return parsePreprocess(model.metadata.get(PREPROCESS_KEY) ?? '', PREPROCESS_KEY);
}
