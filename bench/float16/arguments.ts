import type { Device } from '../../src/runtime/index.js';
import { DEVICES } from '../gpu/arguments.js';
import { flag, readOptions, text } from '../options.js';
import { name } from '../speed/arguments.js';

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
  const values = readOptions('bench:float16', argv, {
    device: text,
    'allow-software': flag,
    markdown: flag,
    help: flag,
  });
  return {
    device: name('--device', values.device ?? 'webgpu', DEVICES),
    allowSoftware: values['allow-software'] ?? false,
    format: values.markdown ? 'markdown' : 'text',
    help: values.help ?? false,
  };
}
