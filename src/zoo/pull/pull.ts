import { existsSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { InputError, UsageError } from '../../base/errors.js';
import { fileError } from '../../base/files.js';
import { PREPROCESS_KEY } from '../../base/preprocess.js';
import { checkModel, loadModel, type Model, saveModel } from '../../onnx/index.js';
import type { KnownTop1, ZooEntry } from '../entry.js';
import { markTrained, WEIGHTS_KEY } from '../metadata.js';
import { findEntry } from '../registry.js';
import {
  chooseSource,
  type SourceChoice,
  type SourceName,
  type WeightSource,
  weightSources,
} from '../sources/index.js';
import { cacheFolder } from './cache-folder.js';
import { hashFile, mismatch } from './checksum.js';
import { download, type Verified } from './download.js';
import type { PullListener } from './events.js';
import { fillNetwork } from './fill.js';
import { chosenMirror, mirrored } from './mirror.js';

export interface PullOptions {
  /** Default: the first publisher that has the network. */
  readonly source?: SourceName;
  /** The publisher's name for the weights. Default: the publisher's own default. */
  readonly tag?: string;
  /** The model to write. Default: the network's name with .onnx, in the working directory. */
  readonly out?: string;
  /** A file that the user has already, in place of a download. */
  readonly from?: string;
  /** Folder of downloads. Default: the platform's (see {@link cacheFolder}). */
  readonly cache?: string;
  /** See {@link chosenMirror}. */
  readonly mirror?: string;
  /** Download again what is in the cache, and replace a default `out` that is there. */
  readonly force: boolean;
  /** Further tries after a connection has failed. */
  readonly retries: number;
}

export const PULL_DEFAULTS = { force: false, retries: 4 } as const;

export interface Pulled {
  readonly network: string;
  /** The model that was written. */
  readonly file: string;
  /** The file of weights, and what it hashes to. */
  readonly weights: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Null for a file of the user's that no table knows. */
  readonly published: {
    readonly source: SourceName;
    readonly tag: string;
    readonly url: string;
    readonly licence: string | null;
    readonly top1: KnownTop1 | null;
  } | null;
  readonly verified: Verified;
  readonly downloaded: boolean;
  /** Whether the model is the publisher's own graph instead of the zoo's. */
  readonly ownGraph: boolean;
  /** JSON of the preprocessing that the model carries, null where nobody says it. */
  readonly preprocess: string | null;
}

/** More than any of these files has, where nothing better is known. */
const LARGEST = 2 ** 31;

/**
 * Writes a network of the zoo with published weights: downloads them, or takes a file of the user's, and puts them into the
 * zoo's graph.
 * @param name of the network
 * @throws UsageError for names and options; EnvironmentError when the file cannot be had; InputError when it cannot be used
 */
export async function pullNetwork(
  name: string,
  options: PullOptions,
  listener: PullListener = () => undefined,
  signal?: AbortSignal,
): Promise<Pulled> {
  const entry = findEntry(name);
  const source =
    options.from === undefined ? chooseSource(entry.name, choice(options)) : knownFile(entry, options);
  const out = await outFile(entry, options);
  const got =
    options.from === undefined && source
      ? await cached(entry, source, options, listener, signal)
      : await given(resolve(options.from ?? ''), source, signal);
  signal?.throwIfAborted();
  const ownGraph = source ? source.content === 'graph' : extname(got.path) === '.onnx';
  const model = ownGraph ? await wholeModel(got.path) : await fillNetwork(entry, got.path, source);
  const preprocess = source?.preprocess;
  if (preprocess) model.metadata.set(PREPROCESS_KEY, JSON.stringify(preprocess));
  const sha256 = await hashFile(got.path, 'sha256', signal);
  note(model, got.path, sha256, source);
  await saveModel(model, out);
  return {
    network: entry.name,
    file: out,
    weights: got.path,
    bytes: await sizeOf(got.path),
    sha256,
    published: source
      ? {
          source: source.source,
          tag: source.tag,
          url: source.urls[0],
          licence: source.licence ?? null,
          top1: source.top1 ?? null,
        }
      : null,
    verified: got.verified,
    downloaded: got.downloaded,
    ownGraph,
    preprocess: model.metadata.get(PREPROCESS_KEY) ?? null,
  };
}

function choice({ source, tag }: PullOptions): SourceChoice {
  return { ...(source !== undefined && { source }), ...(tag !== undefined && { tag }) };
}

/** What is known of a file of the user's: as the options say, or by its name. */
function knownFile(entry: ZooEntry, options: PullOptions): WeightSource | undefined {
  if (options.source !== undefined || options.tag !== undefined)
    return chooseSource(entry.name, choice(options));
  return weightSources(entry.name).find((s) => s.file === basename(options.from ?? ''));
}

async function outFile(entry: ZooEntry, { out, force, from }: PullOptions): Promise<string> {
  const file = out ?? `${entry.name}.onnx`;
  if (out === undefined && !force && existsSync(file))
    throw new UsageError({
      problem: `${file} is there already`,
      hint: 'name another file with -o FILE, or replace it with --force',
    });
  if (from !== undefined && resolve(from) === resolve(file))
    throw new UsageError({ problem: `-o ${file} is the file of weights itself` });
  // Found out before a long download.
  await stat(dirname(resolve(file))).catch((cause) => {
    throw fileError(file, 'writing', cause);
  });
  return file;
}

interface Got {
  readonly path: string;
  readonly verified: Verified;
  readonly downloaded: boolean;
}

/** The file from the cache, where it is downloaded to first. */
async function cached(
  entry: ZooEntry,
  source: WeightSource,
  options: PullOptions,
  listener: PullListener,
  signal: AbortSignal | undefined,
): Promise<Got> {
  const path = join(cacheFolder(options.cache), 'weights', source.source, source.file);
  if (!options.force && existsSync(path)) {
    const wrong = await damage(path, source, signal);
    if (wrong === undefined)
      return { path, verified: source.checksum ? 'publisher' : 'size only', downloaded: false };
    listener({ type: 'log', level: 'warning', message: `${path}: ${wrong}; it is downloaded again` });
    await rm(path, { force: true });
  }
  const mirror = chosenMirror(options.mirror);
  const urls = [...new Set(source.urls.map((url) => mirrored(url, mirror)))];
  const verified = await download(
    {
      urls,
      destination: path,
      ...(source.checksum && { checksum: source.checksum }),
      ...(source.bytes !== undefined && { bytes: source.bytes }),
      limit: source.bytes ?? limitFor(source),
      // Whoever names an http mirror wants it.
      plainHttp: new Set(mirror ? urls.map((u) => new URL(u).origin) : []),
      byHand: byHand(entry, source),
    },
    { listener, retries: options.retries, ...(signal && { signal }) },
  );
  return { path, verified, downloaded: true };
}

/** Four bytes for each value would do; some files hold auxiliary heads, averages or wider numbers too. */
function limitFor({ parameters }: WeightSource): number {
  return parameters === undefined ? LARGEST : Math.min(LARGEST, 16 * parameters + 2 ** 26);
}

function byHand(entry: ZooEntry, source: WeightSource): string {
  return [
    `without a network: download ${source.urls[0]} elsewhere, bring the file here, and`,
    `reparam zoo pull ${entry.name} --source ${source.source} --tag ${source.tag} --from FILE;`,
    'behind a firewall: --mirror URL or REPARAM_MIRROR, HTTPS_PROXY',
  ].join('\n  ');
}

/** A file of the user's. One that bears a published name has to be that file. */
async function given(
  path: string,
  source: WeightSource | undefined,
  signal: AbortSignal | undefined,
): Promise<Got> {
  await sizeOf(path);
  if (!source || basename(path) !== source.file) return { path, verified: 'size only', downloaded: false };
  const wrong = await damage(path, source, signal);
  if (wrong !== undefined)
    throw new InputError({
      problem: `${path} has the name of the weights ${source.tag} of ${source.source}, but is not that file: ${wrong}`,
      hint: 'download it again; give weights of your own another name',
    });
  return { path, verified: source.checksum ? 'publisher' : 'size only', downloaded: false };
}

/** What is wrong with a file that should be a published one. */
async function damage(
  path: string,
  source: WeightSource,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const size = await sizeOf(path);
  if (source.bytes !== undefined && source.bytes !== size) return `${size} bytes instead of ${source.bytes}`;
  if (!source.checksum) return undefined;
  const found = await mismatch(path, source.checksum, signal);
  const { algorithm, hex } = source.checksum;
  return found === undefined ? undefined : `${algorithm} ${found.slice(0, hex.length)} instead of ${hex}`;
}

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch((cause) => {
    throw fileError(path, 'reading', cause);
  });
  if (!found.isFile()) throw new InputError({ problem: `reading ${path}: it is not a regular file` });
  return found.size;
}

async function wholeModel(path: string): Promise<Model> {
  const model = await loadModel(path);
  checkModel(model);
  return model;
}

/** The model says whose weights it has. */
function note(model: Model, path: string, sha256: string, source: WeightSource | undefined): void {
  markTrained(model);
  model.metadata.set(
    WEIGHTS_KEY,
    JSON.stringify({
      file: basename(path),
      sha256,
      ...(source && {
        source: source.source,
        tag: source.tag,
        url: source.urls[0],
        ...(source.licence !== undefined && { licence: source.licence }),
      }),
    }),
  );
}
