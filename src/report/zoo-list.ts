import type { KnownTop1, Paper, Published, WeightSource, ZooCount, ZooEntry } from '../zoo/index.js';
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
    top1: knownTop1(entry, weights) ?? null,
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

const NOTES = [
  'parameters and mult-adds (multiply-adds of convolutions and matrix products, for one image) are counted; "published", where it',
  'stands, is a published figure that is another. top-1: on ImageNet, where nothing else is said. Weights: reparam zoo pull NAME;',
  'built in: small ones come with the package, for reparam refocus --model NAME. All of a row, and its options: --json',
];

/** A row for each network. @param width columns of the terminal; undefined: as wide as it is */
export function zooListText(networks: readonly ListedNetwork[], width?: number): string {
  const table = renderTable(zooTable(networks), 'text', width);
  return `${table}\n\n${NOTES.join('\n')}`;
}

function zooTable(networks: readonly ListedNetwork[]): Table {
  const differences = networks.map(({ entry, counts }) => differing(counts, publishedOf(entry)));
  const differ = differences.some((text) => text !== '');
  return {
    columns: [
      { title: 'name' },
      { title: 'input', align: 'right' },
      { title: 'classes', align: 'right' },
      { title: 'parameters', align: 'right' },
      { title: 'mult-adds', align: 'right' },
      ...(differ ? [{ title: 'published', shrink: true } as const] : []),
      { title: 'top-1 %', align: 'right' },
      { title: 'top-1 of', shrink: true },
      { title: 'weights', shrink: true },
      { title: 'paper', shrink: true },
    ],
    rows: networks.map(({ entry, counts, weights, trainedOn }, i) => {
      const top1 = knownTop1(entry, weights);
      return [
        entry.name,
        `${entry.defaults.size}²`,
        String(entry.defaults.classes),
        count(counts.parameters + counts.unusedParameters),
        short(counts.multAdds),
        ...(differ ? [differences[i]] : []),
        top1 ? `${Number(top1.percent.toFixed(2))}` : NONE,
        top1?.source ?? NONE,
        weightsText(weights, trainedOn),
        paperText(entry.paper),
      ];
    }),
  };
}

/** That of the weights a user can get, else the published one. */
function knownTop1({ top1 }: ZooEntry, weights: readonly WeightSource[]): KnownTop1 | undefined {
  return weights.find((w) => w.top1)?.top1 ?? top1;
}

function weightsText(weights: readonly WeightSource[], trainedOn: string | undefined): string {
  const places = [
    ...(trainedOn === undefined ? [] : [`built in (${trainedOn})`]),
    ...new Set(weights.map((w) => w.source)),
  ];
  return places.join(', ') || NONE;
}

/** What is published of the network with its default options, counted as we count. */
function publishedOf({ published, defaults }: ZooEntry): Published | undefined {
  const own = new Map<string, unknown>(Object.entries(defaults));
  return published.find(
    ({ options, rule }) =>
      rule === 'all' && Object.entries(options).every(([key, value]) => own.get(key) === value),
  );
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

function paperText({ arxiv, venue, title, year }: Paper): string {
  const place = arxiv === undefined ? (venue ?? title) : `arXiv:${arxiv}`;
  return `${place} (${year})`;
}
