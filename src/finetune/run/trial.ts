import type { Preprocess } from '../../base/preprocess.js';
import { randomFor } from '../../base/random.js';
import { inputSize } from '../../data/index.js';
import { type Model, sizeOf, staticShape, Tensor } from '../../onnx/index.js';
import { type Engine, inferenceTrial, type Trial } from '../../runtime/index.js';
import type { TrainStep } from '../step/build.js';
import { onlyInput } from '../step/prepare.js';
import { imageInput } from './resolve.js';

/** Pixels of two images that leave enough values to a channel of the last maps. */
const PIXELS = 2 * 128 * 128;
/** Images that even the smallest do with. */
const MOST = 8;

/**
 * Images of a step that a device is tried with: few, because the processor computes the same step several times, but not too
 * few. Where a channel's batch statistics come of a handful of values, rounding alone moves a step: MobileNetV2 of width 0.25
 * at 64 × 64 by 5 % with two images (2 × 2 pixels in its last maps), and by 1e-5 with four.
 */
export function trialImages(image: readonly number[]): number {
  const [, height, width] = image;
  return Math.min(MOST, Math.max(2, Math.ceil(PIXELS / (height * width))));
}

/** What such a step is fed beside its state. The rate is large, so that an update shows the gradient. */
function trialFeeds(step: TrainStep): Map<string, Tensor> {
  const random = randomFor('device trial');
  const input = step.model.graph.inputs.find((v) => v.name === step.image);
  const dims = staticShape(input?.type);
  if (!dims) throw new Error(`the dims of '${step.image}' are not known`);
  const size = sizeOf(dims);
  const image =
    input?.type?.kind === 'tensor' && input.type.dataType === 'uint8'
      ? Tensor.uint8(
          dims,
          Uint8Array.from({ length: size }, () => random.int(256)),
        )
      : Tensor.float32(
          dims,
          Float32Array.from({ length: size }, () => random.normal()),
        );
  return new Map([
    [step.image, image],
    [
      step.label,
      Tensor.int32(
        [step.batch],
        Array.from({ length: step.batch }, (_, i) => i % step.classes),
      ),
    ],
    [step.lr, Tensor.float32([], [0.1])],
    ...(step.seed === undefined ? [] : [[step.seed, Tensor.int32([], [1])] as const]),
  ]);
}

/** A step with its first state, as one model. */
export function stepTrial(step: TrainStep): Trial {
  const state = step.state.map((s) => [s.input, s.initial] as const);
  return { model: step.model, feeds: new Map([...trialFeeds(step), ...state]) };
}

/** Two random images for a network in its inference form. @param host prepares the graph */
export async function imageTrial(source: Model, host: Engine, preprocess: Preprocess): Promise<Trial> {
  const { name } = onlyInput(source);
  const [channels, ...sides] = imageInput(source);
  const { height, width } = inputSize(preprocess);
  const dims = [
    2,
    channels ?? (preprocess.channels === 'GRAY' ? 1 : 3),
    sides[0] ?? height,
    sides[1] ?? width,
  ];
  const random = randomFor('device trial');
  const data = Float32Array.from({ length: sizeOf(dims) }, () => random.normal());
  return inferenceTrial(source, new Map([[name, Tensor.float32(dims, data)]]), host);
}

/** Images of a step that the CPU is timed with: it takes as long for each in a larger one. */
export const TIMED_IMAGES = 16;

/** Milliseconds of a step once it has warmed up, for each image: the shorter of two. */
export async function timeStep(engine: Engine, step: TrainStep): Promise<number> {
  const session = await engine.stepSession(step.model, {
    state: step.state,
    initial: new Map(step.state.map((s) => [s.input, s.initial])),
    fetch: step.fetch,
  });
  try {
    const feeds = trialFeeds(step);
    await session.step(feeds);
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 2; i++) {
      const start = performance.now();
      await session.step(feeds);
      best = Math.min(best, performance.now() - start);
    }
    return best / step.batch;
  } finally {
    await session.release();
  }
}
