import {
  type ChosenDevice,
  chooseDevice,
  createEngine,
  type DeviceTrial,
  type Engine,
} from '../../runtime/index.js';
import type { Listener } from '../events.js';
import type { RunOptions } from '../options.js';

type EngineChoice = Pick<RunOptions, 'engine' | 'device' | 'allowSoftware' | 'threads'>;

/** The CPU's engine: it prepares graphs, and is what devices are compared with. */
export function hostEngine({ threads }: EngineChoice): Promise<Engine> {
  return createEngine(threads === undefined ? {} : { threads });
}

/**
 * The engine that a run's options ask for. A device is tried, and what was chosen and why is said where there was a choice;
 * TensorFlow.js is taken as it is.
 * @throws as {@link createEngine} and {@link chooseDevice}
 */
export async function deviceEngine(
  host: Engine,
  options: EngineChoice,
  trial: DeviceTrial,
  listener: Listener,
): Promise<ChosenDevice> {
  const { engine: runtime, device, threads } = options;
  if (runtime === 'tfjs') {
    const own = {
      engine: runtime,
      ...(device !== 'auto' && { device }),
      ...(threads !== undefined && { threads }),
    };
    return { engine: await createEngine(own), reasons: [], tried: false };
  }
  const chosen = await chooseDevice(host, options, trial);
  const { engine, reasons, tried } = chosen;
  if (tried)
    listener({ type: 'log', level: 'info', message: `runs on ${engine.name}: ${reasons.join('; ')}` });
  return chosen;
}
