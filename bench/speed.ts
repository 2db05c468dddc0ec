// npm run bench:speed -- [options]: see bench/README.md.
import { InterruptedError, ReparamError } from '../src/base/errors.js';
import { type Arguments, parseArguments, USAGE } from './speed/arguments.js';
import { machine } from './speed/machine.js';
import { measure } from './speed/measure.js';
import type { Measurement } from './speed/measurement.js';
import { whyNoTorch } from './speed/run-process.js';
import { resultsText } from './speed/table.js';

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function main(): Promise<void> {
  const asked = parseArguments(process.argv.slice(2));
  if (asked.help) {
    console.log(USAGE);
    return;
  }
  const python = asked.python ?? 'python3';
  const options = await withoutMissing(asked, python);
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => stop.abort(new InterruptedError({ problem: 'stopped' })));
  const measurements: Measurement[] = [];
  for (const network of options.networks)
    for (const form of options.forms)
      measurements.push(
        ...(await measure(network, form, { options, python, signal: stop.signal, progress: say })),
      );
  const { rounds, steps, warmup, threads } = options;
  const results = {
    machine: machine(),
    settings: { rounds, steps, warmup, threads },
    libraries: [...new Set(measurements.flatMap((m) => m.processes.map((p) => p.library)))],
    measurements,
  };
  console.log(
    options.output === 'json' ? JSON.stringify(results, null, 2) : resultsText(results, options.output),
  );
}

/** Without torch the peers are left out, in words. */
async function withoutMissing(options: Arguments, python: string): Promise<Arguments> {
  if (options.sides.every((side) => side === 'reparam')) return options;
  const why = await whyNoTorch(python);
  if (why === undefined) return options;
  say(`no peers: ${python} has no torch (${why}); --python PATH names one that has`);
  return { ...options, sides: options.sides.filter((side) => side === 'reparam') };
}

try {
  await main();
} catch (error) {
  const told = error instanceof Error && error.cause instanceof ReparamError ? error.cause : error;
  if (!(told instanceof ReparamError)) throw error;
  say(told.message);
  process.exitCode = told.exitCode;
}
