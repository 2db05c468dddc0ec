import type { Diagnosis } from '../runtime/index.js';
import { count } from './format.js';

const GIBIBYTE = 2 ** 30;

/** A diagnosis as text: one line per part, then the problems with what to do. */
export function doctorText(d: Diagnosis): string {
  const { node, platform, cpu, memory, runtime } = d;
  const gib = (bytes: number): string => `${(bytes / GIBIBYTE).toFixed(1)} GiB`;
  const rows: (readonly [string, string])[] = [
    ['node', `${node.version} (needs ${node.required})`],
    ['platform', `${platform.os} ${platform.arch}, ${platform.release}`],
    ['cpu', `${cpu.model}, ${cpu.available} threads, of which an engine uses ${cpu.threads}`],
    ['memory', `${gib(memory.totalBytes)}, ${gib(memory.freeBytes)} free`],
    [
      'runtime',
      runtime.version === null
        ? `${runtime.package} is not installed`
        : `${runtime.package} ${runtime.version} in ${runtime.folder}`,
    ],
    [
      'check',
      runtime.checkMilliseconds === null
        ? 'failed'
        : `a small graph ran and gave the right numbers, ${count(runtime.checkMilliseconds)} ms from nothing`,
    ],
    [
      'blocked',
      runtime.channelBlock === null
        ? 'the CPU provider has no blocked kernels that work here: training takes the portable lowering'
        : `the CPU provider has blocked kernels, ${runtime.channelBlock} channels to a block: training takes the blocked lowering`,
    ],
    ['tfjs', tfjsText(d.tfjs)],
    ...d.devices.map((v) => [v.device, `${v.usable ? 'usable' : 'not usable'}: ${v.note}`] as const),
  ];
  const size = Math.max(...rows.map(([name]) => name.length));
  return [
    ...rows.map(([name, text]) => `${name.padEnd(size)}  ${text}`),
    '',
    d.ok ? 'everything that reparam needs is there' : 'what is wrong:',
    ...d.problems.map((p) => `- ${p.problem}\n  ${p.hint}`),
  ].join('\n');
}

function tfjsText([used, ...others]: Diagnosis['tfjs']): string {
  if (!used) return 'TensorFlow.js is not installed; only --engine tfjs needs it';
  const rest = others.map((p) => p.name).join(', ');
  return `--engine tfjs uses ${used.name} ${used.version}: ${used.what}${rest && ` (also installed: ${rest})`}`;
}
