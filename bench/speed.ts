// npm run bench:speed -- [options]: see bench/README.md.
import { program, stopSignal } from './program.js';
import { type Arguments, parseArguments, USAGE } from './speed/arguments.js';
import { machine } from './speed/machine.js';
import { availableSides, measure, measurePairs, type Setting } from './speed/measure.js';
import type { Measurement } from './speed/measurement.js';
import type { PairedMeasurement } from './speed/pairs.js';
import { type Results, resultsText } from './speed/table.js';

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function main(): Promise<void> {
  const options = parseArguments(process.argv.slice(2));
  if (options.help) {
    console.log(USAGE);
    return;
  }
  const setting: Setting = { options, signal: stopSignal(), progress: say };
  const measured: Measured = { measurements: [], pairs: [] };
  try {
    await (options.paired
      ? measureAllPairs(setting, measured.pairs)
      : measureAll(setting, measured.measurements));
  } finally {
    // A run takes long: what an interruption or a failed check leaves is printed too.
    if (measured.measurements.length + measured.pairs.length > 0) print(options, measured);
  }
}

interface Measured {
  readonly measurements: Measurement[];
  readonly pairs: PairedMeasurement[];
}

function print(options: Arguments, { measurements, pairs }: Measured): void {
  const { rounds, steps, warmup, threads } = options;
  const processes = [...measurements, ...pairs].flatMap((m): readonly { library: string }[] => m.processes);
  const results: Results = {
    machine: machine(),
    settings: { rounds, steps, warmup, threads },
    libraries: [...new Set(processes.map((p) => p.library))],
    how: howMade([...measurements, ...pairs]),
    measurements,
    pairs,
  };
  console.log(
    options.output === 'json' ? JSON.stringify(results, null, 2) : resultsText(results, options.output),
  );
}

function howMade(measured: readonly (Measurement | PairedMeasurement)[]): string[] {
  const lines = measured.flatMap(({ title, processes }) =>
    processes
      .flatMap((p: { readonly how?: readonly string[] | undefined }) => p.how ?? [])
      .map((how) => `${title}, ${how}`),
  );
  return [...new Set(lines)];
}

async function measureAll(setting: Setting, found: Measurement[]): Promise<void> {
  const { networks, trainings } = setting.options;
  const sides = await availableSides(setting);
  for (const network of networks)
    for (const training of trainings) found.push(...(await measure(network, training, sides, setting)));
}

async function measureAllPairs(setting: Setting, found: PairedMeasurement[]): Promise<void> {
  for (const network of setting.options.networks) found.push(await measurePairs(network, setting));
}

await program(main);
