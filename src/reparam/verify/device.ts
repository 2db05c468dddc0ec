import type { Model } from '../../onnx/index.js';
import {
  type ChooseOptions,
  type ChosenDevice,
  chooseDevice,
  type Engine,
  inferenceTrial,
  requireRight,
} from '../../runtime/index.js';
import { type Feeds, randomBatches } from './inputs.js';
import type { VerifyOptions } from './verify.js';

/**
 * The engine that two models are to be compared on. A device is tried with both first, on one batch: one that computes both
 * wrongly could find them equivalent.
 * @param host the CPU's
 * @throws EnvironmentError the device is missing, or wrong: what, where, what to do
 */
export async function deviceToVerifyOn(
  host: Engine,
  [a, b]: readonly [Model, Model],
  device: ChooseOptions,
  options: Pick<VerifyOptions, 'batches' | 'seed' | 'inputShapes'> = {},
  open?: Parameters<typeof chooseDevice>[3],
): Promise<ChosenDevice> {
  const feeds = await firstBatch(a, b, options);
  const trial = (model: Model) => inferenceTrial(model, feeds, host);
  const chosen = await chooseDevice(host, device, { trial: () => trial(a) }, open);
  if (chosen.engine === host) return chosen;
  try {
    await requireRight(chosen.engine, host, await trial(b));
  } catch (error) {
    await chosen.engine.close();
    throw error;
  }
  return chosen;
}

/** The first real batch, or two random samples. */
async function firstBatch(
  a: Model,
  b: Model,
  { batches, seed = 0, inputShapes = {} }: Pick<VerifyOptions, 'batches' | 'seed' | 'inputShapes'>,
): Promise<Feeds> {
  for await (const feeds of batches ?? randomBatches(a, b, { samples: 2, seed, inputShapes })) return feeds;
  return new Map();
}
