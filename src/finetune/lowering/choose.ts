import { EnvironmentError } from '../../base/errors.js';
import { channelBlock, type Engine } from '../../runtime/index.js';
import { blockedLowering } from './blocked/index.js';
import type { Lowering } from './lowering.js';
import { parallelLowering } from './parallel/index.js';
import { portableLowering } from './portable/index.js';

export const LOWERINGS = ['auto', 'blocked', 'parallel', 'portable'] as const;

export type LoweringChoice = (typeof LOWERINGS)[number];

/**
 * The lowering to train with on an engine. `auto`: blocked where the engine has the kernels, parallel on WebGPU, else
 * portable.
 * @throws EnvironmentError when blocked kernels are asked for and the engine has none
 */
export async function chooseLowering(engine: Engine, choice: LoweringChoice): Promise<Lowering> {
  if (choice === 'portable') return portableLowering;
  if (choice === 'parallel' || (choice === 'auto' && engine.device === 'webgpu')) return parallelLowering;
  const block = await channelBlock(engine);
  if (block !== undefined) return blockedLowering(block);
  if (choice === 'auto') return portableLowering;
  throw new EnvironmentError({
    problem: `${engine.name} has no blocked kernels`,
    expected: 'the CPU provider on a processor with AVX, AVX-512 or NEON',
    hint: 'use --lowering auto',
  });
}
