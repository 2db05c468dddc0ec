// npm run bench:lowering -- [options]: see bench/README.md.

import { EnvironmentError, UsageError } from '../src/base/errors.js';
import { renderTable } from '../src/report/table.js';
import { channelBlock, createEngine } from '../src/runtime/index.js';
import { type Arguments, parseArguments, USAGE, wanted } from './lowering/arguments.js';
import { CONSTANTS, measureConstant } from './lowering/constants.js';
import { formsOf, formulation, type Layer, layersOf } from './lowering/layers.js';
import {
  constantsTable,
  layersTable,
  type MeasuredConstant,
  type MeasuredLayer,
  summary,
} from './lowering/report.js';
import { type Bench, timeInTurn } from './lowering/timing.js';
import { program } from './program.js';
import { machine, machineText } from './speed/machine.js';

async function main(): Promise<void> {
  const options = parseArguments(process.argv.slice(2));
  if (options.help) {
    console.log(USAGE);
    return;
  }
  const engine = await createEngine({ threads: options.threads });
  try {
    const block = await channelBlock(engine);
    if (block === undefined)
      throw new EnvironmentError({
        problem: `${engine.name} has no blocked kernels, so there is nothing to measure`,
        expected: 'the CPU provider on a processor with AVX, AVX-512 or NEON',
      });
    await measureAll({ engine, block, warmup: options.warmup, repeat: options.repeat }, options);
  } finally {
    await engine.close();
  }
}

async function measureAll(bench: Bench, options: Arguments): Promise<void> {
  const { engine, block } = bench;
  const names = CONSTANTS.filter((name) => wanted(options, ['constants', name]));
  const known = await layersOf(engine, block);
  const layers = known.filter((l) => wanted(options, ['layers', l.title, ...l.networks]));
  if (names.length + layers.length === 0)
    throw new UsageError({
      problem: '--only',
      expected: `a part of a constant (${CONSTANTS.join(', ')}), of a network or of a layer such as '${known[0].title}'`,
      found: options.only.join(','),
    });
  const constants: MeasuredConstant[] = [];
  for (const name of names) {
    process.stderr.write(`${name}\n`);
    constants.push({ name, value: await measureConstant(bench, name) });
  }
  if (constants.length > 0) console.log(`${renderTable(constantsTable(constants, block), options.format)}\n`);
  const measured: MeasuredLayer[] = [];
  for (const layer of layers) {
    process.stderr.write(`${layer.title}\n`);
    measured.push(await measureLayer(bench, layer));
  }
  if (measured.length > 0)
    console.log(`${renderTable(layersTable(measured), options.format)}\n\n${summary(measured)}\n`);
  console.log(
    `${machineText(machine(), [engine.name])}, blocks of ` +
      `${block} channels; ${options.threads} threads; medians of ${options.repeat} runs in turn after ${options.warmup} of warm-up.`,
  );
}

async function measureLayer(bench: Bench, layer: Layer): Promise<MeasuredLayer> {
  const { images, inputs, outputs, axes } = layer.shape;
  const dims = [
    [images, inputs, ...axes.map((a) => a.size)],
    [images, outputs, ...axes.map((a) => a.out)],
  ];
  const forms = formsOf(layer);
  const milliseconds = await timeInTurn(
    bench,
    dims,
    forms.map((form) => formulation(layer, form)),
  );
  return { layer, times: forms.map((form, i) => ({ form, milliseconds: milliseconds[i] })) };
}

await program(main);
