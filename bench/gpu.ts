// npm run bench:gpu -- [options]: see bench/README.md.

import { type Arguments, parseArguments, USAGE } from './gpu/arguments.js';
import { availableSides, type Measured, measure, measureCurve, type Setting } from './gpu/measure.js';
import { type GpuResults, resultsText } from './gpu/table.js';
import { program, stopSignal } from './program.js';
import { machine } from './speed/machine.js';

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function main(): Promise<void> {
  const options = parseArguments(process.argv.slice(2));
  if (options.help) {
    console.log(USAGE);
    return;
  }
  const measured: Measured = { measurements: [], curves: [], problems: [] };
  try {
    await measureAll({ options, signal: stopSignal(), progress: say }, measured);
  } finally {
    // A run takes long: what an interruption leaves is printed too.
    if (measured.measurements.length + measured.curves.length > 0) print(options, measured);
  }
  if (measured.problems.length > 0) process.exitCode = 1;
}

async function measureAll(setting: Setting, into: Measured): Promise<void> {
  const { networks, trainings, batches, curve } = setting.options;
  const sides = await availableSides(setting);
  for (const network of networks)
    for (const training of trainings) {
      if (curve.steps > 0 && sides.includes('reparam')) await measureCurve(network, training, setting, into);
      for (const batch of batches) await measure(network, training, batch, sides, setting, into);
    }
}

function print(options: Arguments, measured: Measured): void {
  const { steps, warmup, threads, device, peerDevice, output, kernels } = options;
  const results: GpuResults = {
    machine: machine(),
    settings: { steps, warmup, threads, device, peerDevice },
    ...measured,
  };
  console.log(output === 'json' ? JSON.stringify(results, null, 2) : resultsText(results, output, kernels));
}

await program(main);
