import { UsageError } from '../../src/base/errors.js';
import { LOWERINGS, type LoweringChoice } from '../../src/finetune/lowering/choose.js';
import type { FormChoice } from '../../src/finetune/step/forms.js';
import type { Device } from '../../src/runtime/index.js';
import type { WebgpuOptions } from '../../src/runtime/worker/protocol.js';
import { flag, readOptions, text } from '../options.js';
import { count, FORMS, name, names } from '../speed/arguments.js';
import { NETWORK_NAMES, type NetworkName, TRAININGS, type Training } from '../speed/cases.js';

export const DEVICES = ['cpu', 'webgpu', 'cuda'] as const satisfies readonly Device[];

/** Who trains, and by how much of itself a loss of its first steps may differ from ours. */
export const SIDES = {
  reparam: { title: 'reparam', share: 0 },
  fp32: { title: 'PyTorch eager fp32', share: 1e-4 },
  tf32: { title: 'PyTorch eager TF32', share: 2e-3 },
  amp: { title: 'PyTorch eager AMP', share: 3e-2 },
  amp_channels_last: { title: 'PyTorch AMP channels_last', share: 3e-2 },
} as const;

export type Side = keyof typeof SIDES;
export const SIDE_NAMES = ['reparam', 'fp32', 'tf32', 'amp', 'amp_channels_last'] as const satisfies Side[];
export const USUAL_SIDES = ['reparam', 'tf32', 'amp'] as const satisfies Side[];
export const USUAL_NETWORKS = ['mobilenetv2', 'resnet18', 'resnet50'] as const satisfies NetworkName[];
const USUAL_BATCHES = '64,128,256';

export interface Arguments {
  readonly networks: readonly NetworkName[];
  readonly trainings: readonly Training[];
  readonly batches: readonly number[];
  readonly sides: readonly Side[];
  /** Undefined: the network's own. */
  readonly size: number | undefined;
  /** Of ours. */
  readonly device: Device;
  readonly allowSoftware: boolean;
  /** Of ours on WebGPU. */
  readonly webgpu: WebgpuOptions;
  /** Of PyTorch, as it names it. */
  readonly peerDevice: string;
  readonly lowering: LoweringChoice;
  readonly form: FormChoice;
  readonly steps: number;
  readonly warmup: number;
  readonly threads: number;
  /** Images and steps of the losses that are compared with the CPU's; no steps: they are not. */
  readonly curve: { readonly batch: number; readonly steps: number };
  /** How many of the device's programs are listed. */
  readonly kernels: number;
  readonly python: string;
  readonly output: 'text' | 'markdown' | 'json';
  readonly help: boolean;
}

export const LAYOUTS = ['NCHW', 'NHWC'] as const;
export const VALIDATIONS = ['disabled', 'wgpuOnly', 'basic', 'full'] as const;

export const USAGE = `npm run bench:gpu -- [options]

Images per second of training steps on a graphics device, ours and PyTorch's, one process after the other on the same
images and weights; how the time of ours splits, the memory in use, and whether our losses are those of the CPU.

What
  --network NAMES   ${NETWORK_NAMES.join(', ')} (default: ${USUAL_NETWORKS.join(', ')})
  --training NAMES  ${TRAININGS.join(', ')} (default: both)
  --batch NUMBERS   images per step (default: ${USUAL_BATCHES})
  --side NAMES      ${SIDE_NAMES.join(', ')} (default: ${USUAL_SIDES.join(', ')};
                    without PyTorch on its device, only ours, in words)
  --size N          other images than the network's own, for a quick check

Where
  --device NAME     ours: ${DEVICES.join(', ')} (default: webgpu)
  --allow-software  also an adapter that the processor imitates
  --peer-device NAME
                    PyTorch's: cuda, cpu, … (default: cuda)
  --python PATH     a Python with torch and numpy (default: python3)

How ours is made
  --layout NAME     on WebGPU: ${LAYOUTS.join(', ')} (default: the runtime's)
  --validation NAME on WebGPU: ${VALIDATIONS.join(', ')} (default: the runtime's)
  --lowering NAME   ${LOWERINGS.join(', ')} (default: auto)
  --form NAME       of the maps: ${FORMS.join(', ')} (default: auto)

How long
  --steps N         timed steps of each process (default: 20)
  --warmup N        steps before those (default: 5)
  --threads N       of the processor (default: 2)
  --curve-steps N   steps whose losses are compared with the CPU's; none: no comparison (default: 5)
  --curve-batch N   images of each (default: 16)

Output
  --kernels N       programs of the device to list for each of our steps (default: 8)
  --json            everything measured, as JSON
  --markdown        tables as in docs/benchmarks.md
  --help

NAMES and NUMBERS are separated by commas.`;

/** @throws UsageError naming the option */
export function parseArguments(argv: readonly string[]): Arguments {
  const values = readOptions('bench:gpu', argv, OPTIONS);
  if (values.json && values.markdown)
    throw new UsageError({ problem: '--json and --markdown', expected: 'one of them' });
  const curveSteps = values['curve-steps'];
  return {
    networks: names('--network', values.network, NETWORK_NAMES, [...USUAL_NETWORKS]),
    trainings: names('--training', values.training, TRAININGS),
    batches: values.batch.split(',').map((b) => count('--batch', b.trim())),
    sides: names('--side', values.side, SIDE_NAMES, [...USUAL_SIDES]),
    size: values.size === undefined ? undefined : count('--size', values.size),
    device: name('--device', values.device, DEVICES),
    allowSoftware: values['allow-software'],
    webgpu: {
      ...(values.layout !== undefined && { layout: name('--layout', values.layout, LAYOUTS) }),
      ...(values.validation !== undefined && {
        validation: name('--validation', values.validation, VALIDATIONS),
      }),
    },
    peerDevice: values['peer-device'],
    lowering: name('--lowering', values.lowering, LOWERINGS),
    form: name('--form', values.form, FORMS),
    steps: count('--steps', values.steps),
    warmup: count('--warmup', values.warmup),
    threads: count('--threads', values.threads),
    curve: {
      batch: count('--curve-batch', values['curve-batch']),
      steps: curveSteps === 'none' ? 0 : count('--curve-steps', curveSteps),
    },
    kernels: count('--kernels', values.kernels),
    python: values.python,
    output: values.json ? 'json' : values.markdown ? 'markdown' : 'text',
    help: values.help,
  };
}

const off = { ...flag, default: false };
const usually = (value: string) => ({ ...text, default: value });

const OPTIONS = {
  network: text,
  training: text,
  batch: usually(USUAL_BATCHES),
  side: text,
  size: text,
  device: usually('webgpu'),
  'allow-software': off,
  layout: text,
  validation: text,
  'peer-device': usually('cuda'),
  python: usually('python3'),
  lowering: usually('auto'),
  form: usually('auto'),
  steps: usually('20'),
  warmup: usually('5'),
  threads: usually('2'),
  'curve-steps': usually('5'),
  'curve-batch': usually('16'),
  kernels: usually('8'),
  json: off,
  markdown: off,
  help: off,
};
