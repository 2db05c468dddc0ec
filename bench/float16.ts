// npm run bench:float16 -- [options]: see bench/README.md.

import { renderTable } from '../src/report/table.js';
import { createEngine } from '../src/runtime/index.js';
import { parseArguments, USAGE } from './float16/arguments.js';
import { type Exactness, exactnessOf, PRODUCTS } from './float16/products.js';
import { float16Table } from './float16/table.js';
import { program } from './program.js';
import { machine, machineText } from './speed/machine.js';

async function main(): Promise<void> {
  const { device, allowSoftware, format, help } = parseArguments(process.argv.slice(2));
  if (help) {
    console.log(USAGE);
    return;
  }
  const engine = await createEngine({ device, allowSoftware });
  try {
    const found: Exactness[] = [];
    for (const product of PRODUCTS) found.push(await exactnessOf(engine, product));
    console.log(
      [
        renderTable(float16Table(found), format),
        '',
        `${machineText(machine())}, ${engine.name}.`,
        'sum of ones: of as many products 1 · 1 as there are terms. error: RMS of it over RMS of the result, normal operands.',
        'rounded once: the exact result rounded to float16, which is what sums in float32 leave. ×: the first over the second.',
      ].join('\n'),
    );
  } finally {
    await engine.close();
  }
}

await program(main);
