import type { Paper, Published, WeightSource, ZooCount, ZooEntry } from '../zoo/index.js';
import { count, NONE, short } from './format.js';
import { renderTable, type Table } from './table.js';

/** A network of `zoo list`. */
export interface ListedNetwork {
  readonly entry: ZooEntry;
  readonly counts: ZooCount;
  readonly weights: readonly WeightSource[];
  /** The `--data` that the checkpoint in the package was trained on. */
  readonly trainedOn: string | undefined;
}

/** What `zoo list --json` prints of a network. Mult-adds are multiply-adds for one image of the default size. */
export function networkJson({ entry, counts, weights, trainedOn }: ListedNetwork): object {
  const published = publishedOf(entry);
  return {
    name: entry.name,
    family: entry.family,
    defaults: entry.defaults,
    options: entry.accepts,
    ...counts,
    publishedParametersM: published?.parametersM ?? null,
    publishedMultAddsM: published?.multAddsM ?? null,
    published: entry.published,
    top1: weights.find((w) => w.top1)?.top1 ?? null,
    weights: weights.map(({ source, tag, top1, bytes, licence }) => ({
      source,
      tag,
      top1: top1 ?? null,
      bytes: bytes ?? null,
      licence: licence ?? null,
    })),
    paper: entry.paper,
    trainedOn: trainedOn ?? null,
  };
}

/** A row for each network. @param width columns of the terminal; undefined: as wide as it is */
export function zooListText(networks: readonly ListedNetwork[], width?: number): string {
  const table = renderTable(zooTable(networks), 'text', width);
  return `${table}\n\nparameters and mult-adds (multiply-adds of convolutions and matrix products, for one image) are counted; "published" where the published figure is another`;
}

function zooTable(networks: readonly ListedNetwork[]): Table {
  return {
    columns: [
      { title: 'name' },
      { title: 'input', align: 'right' },
      { title: 'classes', align: 'right' },
      { title: 'parameters', align: 'right' },
      { title: 'mult-adds', align: 'right' },
      { title: 'published', shrink: true },
      { title: 'top-1', shrink: true },
      { title: 'weights', shrink: true },
      { title: 'comes trained on' },
      { title: 'paper', shrink: true },
    ],
    rows: networks.map(({ entry, counts, weights, trainedOn }) => [
      entry.name,
      `${entry.defaults.size}²`,
      String(entry.defaults.classes),
      count(counts.parameters + counts.unusedParameters),
      short(counts.multAdds),
      differing(counts, publishedOf(entry)),
      top1Text(weights),
      [...new Set(weights.map((w) => w.source))].join(', ') || NONE,
      trainedOn ?? NONE,
      paperText(entry.paper),
    ]),
  };
}

/** What is published of the network with its default options. */
function publishedOf(entry: ZooEntry): Published | undefined {
  return entry.published.find((p) => Object.keys(p.options).length === 0) ?? entry.published[0];
}

/** The published figures that ours does not round to. */
function differing(counts: ZooCount, published: Published | undefined): string {
  const { parametersM, multAddsM, multAddsRoundedToM } = published ?? {};
  const parameters = counts.parameters + counts.unusedParameters;
  return [
    ...(parametersM === undefined || printsAs(parameters / 1e6, parametersM)
      ? []
      : [`${parametersM} M parameters`]),
    ...(multAddsM === undefined || printsAs(counts.multAdds / 1e6, multAddsM, multAddsRoundedToM)
      ? []
      : [`${multAddsM} M mult-adds`]),
  ].join(', ');
}

/** Whether a count rounds, or is cut off, to the printed digits of a figure. */
export function printsAs(exact: number, figure: number, unit = 10 ** -decimals(figure)): boolean {
  return Math.abs(exact - figure) <= unit / 2 || (exact >= figure && exact - figure < unit);
}

function decimals(figure: number): number {
  return `${figure}`.split('.')[1]?.length ?? 0;
}

function top1Text(weights: readonly WeightSource[]): string {
  const top1 = weights.find((w) => w.top1)?.top1;
  return top1 ? `${top1.percent} % (${top1.source})` : NONE;
}

function paperText({ arxiv, venue, title, year }: Paper): string {
  const place = arxiv === undefined ? (venue ?? title) : `arXiv:${arxiv}`;
  return `${place} (${year})`;
}
