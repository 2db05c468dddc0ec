import type { Paper } from '../../src/zoo/index.js';
import { command } from '../command.js';

export const zooList = command({
  name: 'zoo list',
  describe: 'List the networks that the zoo builds',
  positionals: [],
  flags: {},
  examples: [['zoo list', 'names, sizes, papers, and which come trained']],
  run: async () => {
    const { builtinCheckpoint, ZOO } = await import('../../src/zoo/index.js');
    const { renderTable } = await import('../../src/report/table.js');
    const { NONE } = await import('../../src/report/format.js');
    const networks = ZOO.map((entry) => {
      const published =
        entry.published.find((p) => Object.keys(p.options).length === 0) ?? entry.published[0];
      return {
        name: entry.name,
        family: entry.family,
        defaults: entry.defaults,
        options: entry.accepts,
        publishedParametersM: published?.parametersM ?? null,
        publishedMultAddsM: published?.multAddsM ?? null,
        paper: entry.paper,
        trainedOn: builtinCheckpoint(entry.name)?.dataset ?? null,
      };
    });
    const table = renderTable({
      columns: [
        { title: 'name' },
        { title: 'input', align: 'right' },
        { title: 'classes', align: 'right' },
        { title: 'params M', align: 'right' },
        { title: 'mult-adds M', align: 'right' },
        { title: 'comes trained on' },
        { title: 'paper' },
      ],
      rows: networks.map((n) => [
        n.name,
        `${n.defaults.size}²`,
        String(n.defaults.classes),
        n.publishedParametersM === null ? NONE : String(n.publishedParametersM),
        n.publishedMultAddsM === null ? NONE : String(n.publishedMultAddsM),
        n.trainedOn ?? NONE,
        paperText(n.paper),
      ]),
    });
    return { json: { networks }, text: table };
  },
});

function paperText({ arxiv, venue, title, year }: Paper): string {
  const place = arxiv === undefined ? (venue ?? title) : `arXiv:${arxiv}`;
  return `${place} (${year})`;
}
