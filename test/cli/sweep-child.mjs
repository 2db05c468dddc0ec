/**
 * Runs every command line of a list in this one process and prints one JSON object: what came of each, and the peak
 * memory of all. Argument: a JSON file with the list. Uses the built commands (npm run build).
 */
import { readFileSync } from 'node:fs';
import { COMMANDS } from '../../dist/cli/commands.js';
import { errorObject } from '../../dist/cli/output.js';
import { parseArguments } from '../../dist/cli/parse.js';

const results = [];
for (const line of JSON.parse(readFileSync(process.argv[2], 'utf8'))) {
  const log = [];
  const context = {
    signal: new AbortController().signal,
    verbose: false,
    log: (text) => log.push(text),
    listen: () => Promise.reject(new Error('these commands show no progress')),
  };
  const start = performance.now();
  const result = await run(line, context).then(
    (outcome) => ({ code: outcome.exitCode ?? 0, message: '' }),
    (e) => {
      const { exitCode, message } = errorObject(e).error;
      return { code: exitCode, message };
    },
  );
  results.push({ ...result, log, milliseconds: performance.now() - start });
}
console.log(JSON.stringify({ results, peakMebibytes: process.resourceUsage().maxRSS / 1024 }));

async function run(line, context) {
  const parse = parseArguments(line, COMMANDS, '0', 100);
  if (parse.kind !== 'command') throw new Error(`${line.join(' ')} runs nothing`);
  return parse.parsed.command.run(parse.parsed.args, context);
}
