import { parseArgs } from 'node:util';
import { UsageError } from '../../src/base/errors.js';
import type { Device } from '../../src/runtime/index.js';
import { DEVICES } from '../gpu/arguments.js';

export interface Arguments {
  readonly device: Device;
  readonly allowSoftware: boolean;
  readonly format: 'text' | 'markdown';
  readonly help: boolean;
}

export const USAGE = `npm run bench:float16 -- [options]

How exact products of float16 are on a device: whether it sums them in float32, as mixed precision needs.

  --device NAME     ${DEVICES.join(', ')} (default: webgpu)
  --allow-software  also an adapter that the processor imitates
  --markdown        the table as in docs/decisions.md
  --help`;

/** @throws UsageError naming the option */
export function parseArguments(argv: readonly string[]): Arguments {
  const { device = 'webgpu', markdown = false, help = false, ...values } = parse(argv);
  const known = DEVICES.find((d) => d === device);
  if (known === undefined)
    throw new UsageError({ problem: '--device', expected: DEVICES.join(', '), found: `'${device}'` });
  return {
    device: known,
    allowSoftware: values['allow-software'] ?? false,
    format: markdown ? 'markdown' : 'text',
    help,
  };
}

function parse(argv: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        device: { type: 'string' },
        'allow-software': { type: 'boolean' },
        markdown: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
    return values;
  } catch (cause) {
    throw new UsageError({
      problem: cause instanceof Error ? cause.message : String(cause),
      hint: 'npm run bench:float16 -- --help lists the options',
      cause,
    });
  }
}
