import { EnvironmentError, ReparamError } from '../base/errors.js';
import { createEngine, type EngineOptions } from './create.js';
import type { Device, Engine } from './engine.js';
import { selfTest, type Trial } from './self-test/self-test.js';

export type DeviceChoice = 'auto' | Device;

/** What a device is tried with before it is used. */
export interface DeviceTrial {
  /** A small piece of the work, in the operators that it has on the engine; the CPU runs them too. */
  trial(engine: Engine): Promise<Trial>;
  /** How long an image takes on an engine; left out, a device that passes is taken to be faster than the CPU. */
  milliseconds?(engine: Engine): Promise<number>;
}

export interface ChosenDevice {
  readonly engine: Engine;
  /** Why this one, and why not another: one sentence each. */
  readonly reasons: readonly string[];
  /** Whether there was a graphics device to try. */
  readonly tried: boolean;
}

export interface ChooseOptions extends Pick<EngineOptions, 'allowSoftware' | 'threads'> {
  readonly device: DeviceChoice;
}

/** In the order in which they are tried. */
const GRAPHICS = ['cuda', 'webgpu'] as const satisfies readonly Device[];

/**
 * The engine to work on. `auto`: the first graphics device that is there, computes what the CPU computes and is faster,
 * else the CPU; software adapters are passed over. A device that is asked for is tried all the same, and refused where it
 * computes wrongly.
 * @param host the engine of the CPU, which is also what comes back for it
 * @param open another one only for tests
 * @throws EnvironmentError the device that was asked for is missing, or wrong: what, where, what to do
 */
export async function chooseDevice(
  host: Engine,
  { device, allowSoftware = false, threads }: ChooseOptions,
  trial: DeviceTrial,
  open: (options: EngineOptions) => Promise<Engine> = createEngine,
): Promise<ChosenDevice> {
  if (device === 'cpu') return { engine: host, reasons: [], tried: false };
  const common = threads === undefined ? {} : { threads };
  if (device !== 'auto') {
    const engine = await open({ ...common, device, allowSoftware });
    try {
      const result = await requireRight(engine, host, await trial.trial(engine));
      return { engine, reasons: [`${device} was asked for; ${result}`], tried: true };
    } catch (error) {
      await engine.close();
      throw error;
    }
  }
  const reasons: string[] = [];
  let tried = false;
  for (const candidate of GRAPHICS) {
    let engine: Engine;
    try {
      engine = await open({ ...common, device: candidate, allowSoftware: false });
    } catch (error) {
      if (!(error instanceof ReparamError)) throw error;
      reasons.push(`not ${candidate}: ${error.facts.problem}`);
      continue;
    }
    tried = true;
    let taken = false;
    try {
      const verdict = await judge(engine, host, trial);
      taken = verdict.taken;
      reasons.push(taken ? verdict.text : `not ${candidate}: ${verdict.text}`);
    } finally {
      if (!taken) await engine.close();
    }
    if (taken) return { engine, reasons, tried };
  }
  return { engine: host, reasons, tried };
}

/**
 * Makes sure that a device computes what the CPU computes.
 * @returns what was compared, in words
 * @throws EnvironmentError naming the operation or the result that is wrong
 */
export async function requireRight(engine: Engine, host: Engine, trial: Trial): Promise<string> {
  const { passed, result } = await selfTest(engine, host, trial);
  if (passed) return result;
  throw new EnvironmentError({
    problem: `--device ${engine.device}: ${engine.name} computes wrongly`,
    found: result,
    hint: "update the driver of the graphics card, or use --device cpu; the CPU's results are the ones to trust",
  });
}

/** Whether a device is to be taken, and why. */
async function judge(
  engine: Engine,
  host: Engine,
  trial: DeviceTrial,
): Promise<{ readonly taken: boolean; readonly text: string }> {
  const { passed, result } = await selfTest(engine, host, await trial.trial(engine));
  if (!passed) return { taken: false, text: `${engine.name} computes wrongly: ${result}` };
  if (!trial.milliseconds) return { taken: true, text: result };
  let own: number;
  try {
    own = await trial.milliseconds(engine);
  } catch (error) {
    if (!(error instanceof ReparamError)) throw error;
    return { taken: false, text: error.facts.problem };
  }
  const cpu = await trial.milliseconds(host);
  const times = `${own.toPrecision(3)} ms for an image, the CPU ${cpu.toPrecision(3)}`;
  return { taken: own < cpu, text: own < cpu ? `${result}; ${times}` : `slower, ${times}` };
}
