// npm run bench:start -- [options]: see bench/README.md.

import { fileURLToPath } from 'node:url';
import { renderTable } from '../src/report/table.js';
import { program } from './program.js';
import { machine, machineText } from './speed/machine.js';
import { parseArguments, USAGE } from './start/arguments.js';
import { casesOf } from './start/cases.js';
import { startTable, timeInTurn } from './start/timing.js';

/** The command line as `npm run build` leaves it, seen from dist-bench/bench. */
const BINARY = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

async function main(): Promise<void> {
  const { processes, format, help } = parseArguments(process.argv.slice(2));
  if (help) {
    console.log(USAGE);
    return;
  }
  const measured = await timeInTurn(casesOf(BINARY), processes);
  console.log(
    [
      renderTable(startTable(measured), format),
      '',
      `${machineText(machine())}.`,
      `Seconds of a whole process, from its start to its end, its output to a pipe: median of ${processes} in turn after one of`,
      'warm-up, the fastest, and the slowest. node: an empty program.',
    ].join('\n'),
  );
}

await program(main);
