import type { Model, Tensor } from '../../onnx/index.js';
import type { Device, Engine } from '../engine.js';
import { distinctNodes } from './distinct-nodes.js';
import { compareOperators } from './operators.js';

/** A model to try a device with, and what it is fed. The dims of its values are known. */
export interface Trial {
  readonly model: Model;
  readonly feeds: ReadonlyMap<string, Tensor>;
}

export interface SelfTest {
  readonly passed: boolean;
  /** Operations that were compared. */
  readonly operations: number;
  /** In words: what was compared, or what is wrong and where. */
  readonly result: string;
}

/**
 * An operation alone, relative to the size of what it adds up. A GPU's own functions are exact to about 1e-6; CUDA's
 * products are rounded to the 10 bits of TF32, which the Node binding (1.30) has no option to turn off.
 */
const OPERATION: Readonly<Record<Device, number>> = { cpu: 1e-4, webgpu: 1e-4, cuda: 2e-3 };
/** All results of the model together (L2): where rounding turns a ReLU on or off, gradients move by up to 1e-2. */
const WHOLE = 0.05;

/** Operations that an engine has passed with, as {@link distinctNodes} names them. */
const passed = new WeakMap<Engine, Set<string>>();

/**
 * Whether a device computes what the reference does: each distinct operation of the model alone, then the whole model, as
 * the device will run it, with its fusions. Operations that the engine has passed with before are not tried again, nor is a
 * model of nothing else.
 * @throws ReparamError where the reference fails; a failure of the device is a result
 */
export async function selfTest(device: Engine, reference: Engine, trial: Trial): Promise<SelfTest> {
  const { model, feeds } = trial;
  const known = passed.get(device) ?? new Set();
  const fresh = new Map([...distinctNodes(model)].filter(([key]) => !known.has(key)));
  if (fresh.size === 0 && known.size > 0)
    return { passed: true, operations: 0, result: 'every operation has been tried before' };
  const expected = await runOnce(reference, trial);
  try {
    const compared = await compareOperators(device, reference, model, feeds, fresh.values());
    const failed = (result: string): SelfTest => ({ passed: false, operations: compared.length, result });
    const [worst] = compared;
    if (worst && !(worst.relative <= OPERATION[device.device]))
      return failed(`${worst.op} '${worst.node}' is wrong: ${far(worst.relative)} of its scale off`);
    const whole = compareAll(expected, await runOnce(device, trial));
    if (!(whole.relative <= WHOLE))
      return failed(
        `each operation alone is right, but not all together: ${far(whole.relative)} off, most of it in '${whole.name}'`,
      );
    passed.set(device, new Set([...known, ...fresh.keys()]));
    return {
      passed: true,
      operations: compared.length,
      result: `${compared.length} operations agree with the CPU to ${far(worst?.relative ?? 0)} of their scale, all together to ${far(whole.relative)}`,
    };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { passed: false, operations: 0, result: message };
  }
}

const far = (relative: number): string => relative.toExponential(1);

async function runOnce(engine: Engine, { model, feeds }: Trial): Promise<Map<string, Tensor>> {
  const session = await engine.session(model);
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

/** ‖a − b‖ ÷ ‖a‖ over all float tensors, and the tensor that has most of the difference. */
function compareAll(
  expected: ReadonlyMap<string, Tensor>,
  got: ReadonlyMap<string, Tensor>,
): { readonly relative: number; readonly name: string } {
  let [all, apart, most, where] = [0, 0, 0, ''];
  for (const [name, tensor] of expected) {
    const [a, b] = [tensor.typed(), got.get(name)?.typed()];
    if (!(a instanceof Float32Array)) continue;
    let difference = 0;
    for (let i = 0; i < a.length; i++) {
      const d = a[i] - Number(b?.[i]);
      difference += d * d;
      all += a[i] * a[i];
    }
    // NaN is further away than anything.
    if (!(difference <= most))
      [most, where] = [Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference, name];
    apart += difference;
  }
  const relative = Math.sqrt(apart) / (Math.sqrt(all) || 1);
  return { relative: Number.isNaN(relative) ? Number.POSITIVE_INFINITY : relative, name: where };
}
