// Builds every network of the zoo, counts it, and writes docs/zoo.md (our counts beside the published ones) and
// assets/zoo/counts.json (what `reparam zoo list` shows without building anything); `--check` only compares and exits 1
// when one of them is stale. Run after `npm run build`.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { countModel } from '../dist/src/onnx/index.js';
import { count } from '../dist/src/report/format.js';
import { buildModel, countEntry, countedBy, ZOO } from '../dist/src/zoo/index.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const cell = (text) => String(text).replaceAll('|', '\\|');
const millions = (figure) => (figure === undefined ? '' : `${figure} M`);
const RULES = {
  all: '',
  'without-bn': 'parameters without BatchNormalization',
  convolutions: 'mult-adds of convolutions alone',
};

/** Options that make another network of one that is published with them or without. */
const VARIANTS = [
  { shortcut: 'A' },
  { shortcut: 'B' },
  { shortcut: 'C' },
  { variant: 'v1' },
  { stem: 'cifar' },
  { aux: true },
];

/** Our counts of a published variant, by the rule of whoever published it. */
function ours(entry, { options, rule }) {
  return countedBy(rule, countModel(buildModel(entry.name, options)));
}

const isDefault = (entry, options) =>
  Object.entries(options).every(([key, value]) => entry.defaults[key] === value);

/** The published figures, and what nobody published: the network as it is built without options, and its variants. */
function rowsOf(entry) {
  const bare = (options) => ({ options, rule: 'all', source: '' });
  const known = (options) =>
    entry.published.some((p) => p.rule === 'all' && JSON.stringify(p.options) === JSON.stringify(options));
  const variants = VARIANTS.filter((options) => {
    if (isDefault(entry, options) || known(options)) return false;
    try {
      return buildModel(entry.name, options) !== undefined;
    } catch (error) {
      if (error.code === 'USAGE') return false; // This network does not have it.
      throw error;
    }
  });
  const counted = entry.published.some((p) => p.rule === 'all' && isDefault(entry, p.options));
  return [...(counted ? [] : [bare({})]), ...entry.published, ...variants.map(bare)];
}

const optionsText = (options) =>
  Object.entries(options)
    .map(([key, value]) => (value === true ? key : `${key} ${value}`))
    .join(', ');

function paperText({ title, year, arxiv, venue }) {
  const where = arxiv === undefined ? (venue ?? '') : `[arXiv:${arxiv}](https://arxiv.org/abs/${arxiv})`;
  return [`_${title}_ (${year})`, where].filter(Boolean).join(', ');
}

function familySection(family, entries) {
  const papers = [...new Set(entries.map((e) => paperText(e.paper)))];
  const rows = entries.flatMap((entry) =>
    rowsOf(entry).map((p) => {
      const { parameters, multAdds } = ours(entry, p);
      const notes = [p.source, RULES[p.rule]].filter(Boolean).join('; ');
      return [
        `\`${entry.name}\``,
        optionsText(p.options),
        count(parameters),
        millions(p.parametersM),
        count(multAdds),
        millions(p.multAddsM),
        notes,
      ];
    }),
  );
  return [
    '',
    `## ${family}`,
    '',
    ...papers.map((p) => `- ${p}`),
    '',
    '| network | options | parameters | published | mult-adds | published | source |',
    '| --- | --- | ---: | ---: | ---: | ---: | --- |',
    ...rows.map((row) => `| ${row.map(cell).join(' | ')} |`),
  ];
}

const families = Map.groupBy
  ? Map.groupBy(ZOO, (e) => e.family)
  : ZOO.reduce((map, e) => map.set(e.family, [...(map.get(e.family) ?? []), e]), new Map());

const lines = [
  '# The zoo',
  '',
  'Made by `node scripts/docs-zoo.mjs` from the networks themselves; do not edit.',
  '',
  'Parameters are weights, biases, BatchNormalization scale and bias, those that the network registers and no layer uses among',
  'them. Mult-adds are the multiply-adds of convolutions and matrix products for one image of the default size, without biases.',
  'Both are counted on the graph that is built, with the options of the row. Beside them stands what was published, rounded or',
  'cut off as it was published, and where; where that was counted otherwise, ours is counted so in this row, and the last',
  'column says how. Rows without a source have no published figure. `reparam zoo list` shows the networks with known top-1 and',
  'sources of weights, `reparam inspect NAME` one of them layer by layer.',
  ...[...families].flatMap(([family, entries]) => familySection(family, entries)),
];

const counts = ZOO.map((e) => `  ${JSON.stringify(e.name)}: ${JSON.stringify(countEntry(e))}`);
const files = {
  'docs/zoo.md': `${lines.join('\n')}\n`,
  'assets/zoo/counts.json': `{\n${counts.join(',\n')}\n}\n`,
};

let stale = false;
for (const [name, text] of Object.entries(files)) {
  if (!process.argv.includes('--check')) {
    mkdirSync(dirname(root + name), { recursive: true });
    writeFileSync(root + name, text);
    continue;
  }
  let committed = '';
  try {
    committed = readFileSync(root + name, 'utf8');
  } catch {
    // A missing file is a stale one.
  }
  if (committed !== text) {
    console.error(`${name} is stale: run npm run build && node scripts/docs-zoo.mjs`);
    stale = true;
  } else console.log(`${name} is up to date`);
}
process.exit(stale ? 1 : 0);
