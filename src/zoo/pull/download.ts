import { open, statfs } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EnvironmentError, ReparamError } from '../../base/errors.js';
import { fileError } from '../../base/files.js';
import type { Checksum } from '../sources/index.js';
import { mismatch } from './checksum.js';
import type { PullListener } from './events.js';
import { discard, get, type Reply, withoutSecrets } from './http.js';
import { NetworkError, networkError } from './network-error.js';
import { type FileVersion, type Part, Parts } from './parts.js';

export interface Wanted {
  /** Where the file is; the next is asked when one does not have it or does not answer. */
  readonly urls: readonly string[];
  /** Where it goes; nothing stands there before it is whole and checked. */
  readonly destination: string;
  readonly checksum?: Checksum;
  /** Its exact size. */
  readonly bytes?: number;
  /** No file is larger. */
  readonly limit: number;
  /** Origins that may be asked without encryption, beside this machine itself. */
  readonly plainHttp?: ReadonlySet<string>;
  /** What the user can do without a network. */
  readonly byHand: string;
}

export interface DownloadOptions {
  readonly listener: PullListener;
  /** Further tries after a failure that may pass. */
  readonly retries: number;
  readonly signal?: AbortSignal;
}

/** How a downloaded file is known to be the right one. */
export type Verified = 'publisher' | 'server' | 'size only';

/** Seconds before the first further try; doubles with each. */
const FIRST_WAIT = 0.5;
const LONGEST_WAIT = 30;

/**
 * Downloads a file, going on with what an earlier attempt left. A failure leaves the part for the next attempt; a file that
 * is not the one wanted is refused and removed.
 * @throws EnvironmentError when it cannot be had, with the way to do it by hand; the signal's reason when aborted
 */
export async function download(wanted: Wanted, options: DownloadOptions): Promise<Verified> {
  const parts = new Parts(wanted.destination);
  try {
    const failures: string[] = [];
    for (const url of wanted.urls) {
      try {
        return await fromUrl(url, parts, wanted, options);
      } catch (error) {
        if (!(error instanceof NetworkError)) throw error;
        failures.push(error.message);
      }
    }
    throw new EnvironmentError({
      problem: `downloading ${basename(wanted.destination)} failed: ${failures.join('; ')}`,
      hint: wanted.byHand,
    });
  } finally {
    parts.release();
  }
}

async function fromUrl(
  url: string,
  parts: Parts,
  wanted: Wanted,
  options: DownloadOptions,
): Promise<Verified> {
  const { listener, retries, signal } = options;
  let part = await parts.claim([withoutSecrets(url)]);
  if (part)
    listener({
      type: 'log',
      level: 'info',
      message: `going on with ${withoutSecrets(url)} at byte ${part.size}`,
    });
  for (let failed = 0; ; ) {
    const before = part?.size ?? 0;
    const attempt = new Attempt(url, parts, part, wanted, options);
    try {
      return await attempt.run();
    } catch (error) {
      part = attempt.part;
      if (!(error instanceof NetworkError) || !error.passing) throw error;
      // A connection that is cut again and again still gets there as long as each brings something.
      failed = (part?.size ?? 0) > before ? 1 : failed + 1;
      if (failed > retries) throw error;
      const seconds = Math.min(LONGEST_WAIT, Math.max(error.wait ?? 0, FIRST_WAIT * 2 ** (failed - 1)));
      listener({
        type: 'log',
        level: 'warning',
        message: `${error.message}; trying again in ${seconds} s`,
      });
      await sleep(1000 * seconds, undefined, signal ? { signal } : {}).catch(() => undefined);
      signal?.throwIfAborted();
    }
  }
}

/** One request for the file, or for the rest of it, and what came of it. */
class Attempt {
  readonly #url: string;
  readonly #parts: Parts;
  readonly #wanted: Wanted;
  readonly #options: DownloadOptions;
  #part: Part | undefined;

  constructor(url: string, parts: Parts, part: Part | undefined, wanted: Wanted, options: DownloadOptions) {
    this.#url = url;
    this.#parts = parts;
    this.#part = part;
    this.#wanted = wanted;
    this.#options = options;
  }

  /** What is on the disk now. */
  get part(): Part | undefined {
    return this.#part;
  }

  async run(): Promise<Verified> {
    const left = this.#part;
    if (!left || left.size !== left.version.total)
      if (!(await this.#receive(await this.#request()))) {
        // What is left is not of the file that is there now: everything is asked for.
        this.#part = undefined;
        await this.#parts.drop();
        await this.#receive(await this.#request());
      }
    const part = this.#part;
    if (!part) throw new Error('a download without a part');
    const { checksum } = this.#wanted;
    const { sha256 } = part.version;
    if (checksum) await this.#check(part, checksum, 'the publisher');
    if (sha256) await this.#check(part, { algorithm: 'sha256', hex: sha256 }, 'the server');
    await this.#parts.finish(part);
    return checksum ? 'publisher' : sha256 ? 'server' : 'size only';
  }

  async #request(): Promise<Reply> {
    const part = this.#part;
    const range =
      part?.version.validator && part.size > 0
        ? { range: `bytes=${part.size}-`, 'if-range': part.version.validator }
        : {};
    return get(this.#url, range, this.#wanted.plainHttp ?? new Set(), this.#options.signal);
  }

  /** Writes what a reply brings, behind the part or as a new one. False: it does not go with the part. */
  async #receive(reply: Reply): Promise<boolean> {
    try {
      const part = this.#part;
      if (reply.status === 206 && part && continues(reply, part)) await this.#append(reply, part);
      else if (reply.status === 200) await this.#append(reply, await this.#begin(reply));
      else if ((reply.status === 206 || reply.status === 416) && part) return false;
      else throw statusError(this.#url, reply);
      return true;
    } finally {
      discard(reply.body);
    }
  }

  /** Starts anew, after looking at what the server says about the file. */
  async #begin(reply: Reply): Promise<Part> {
    const { limit, bytes } = this.#wanted;
    const where = withoutSecrets(this.#url);
    const type = reply.header('content-type') ?? '';
    if (/^text\/html\b/.test(type))
      throw new NetworkError(`${where}: a web page came instead of the file (a login of the network?)`, {
        passing: false,
      });
    const encoding = reply.header('content-encoding') ?? 'identity';
    if (encoding !== 'identity')
      throw new NetworkError(`${where}: sent as ${encoding}, which was not asked for`, { passing: false });
    const total = lengthOf(reply.header('content-length'));
    if (bytes !== undefined && total !== null && total !== bytes)
      throw new NetworkError(`${where}: ${total} bytes; expected ${bytes}`, { passing: false });
    if (total !== null && total > limit)
      throw new NetworkError(`${where}: ${total} bytes; expected at most ${limit}`, { passing: false });
    await checkSpace(this.#wanted.destination, total ?? bytes ?? 0);
    if (this.#part)
      this.#options.listener({
        type: 'log',
        level: 'warning',
        message: `${where}: the server sends the whole file again (it has changed, or cannot send a rest)`,
      });
    const version: FileVersion = {
      url: withoutSecrets(this.#url),
      validator: validatorOf(reply),
      total: total ?? bytes ?? null,
      sha256: reply.sha256 ?? null,
    };
    return this.#parts.start(version);
  }

  async #append(reply: Reply, begun: Part): Promise<void> {
    const { listener, signal } = this.#options;
    const { total } = begun.version;
    const most = total ?? this.#wanted.limit;
    const what = basename(this.#wanted.destination);
    const file = await open(begun.path, 'r+').catch((cause) => {
      throw cacheError(begun.path, cause);
    });
    let { size } = begun;
    try {
      for await (const chunk of chunksOf(reply, this.#url, signal)) {
        if (size + chunk.byteLength > most) {
          size = 0;
          throw new NetworkError(`${withoutSecrets(this.#url)}: more than ${most} bytes came`, {
            passing: false,
          });
        }
        for (let done = 0; done < chunk.byteLength; )
          done += (await file.write(chunk, done, chunk.byteLength - done, size + done)).bytesWritten;
        size += chunk.byteLength;
        listener({ type: 'download', what, done: size, total });
      }
      await file.sync();
    } catch (error) {
      throw error instanceof NetworkError || error instanceof ReparamError || signal?.aborted
        ? error
        : cacheError(begun.path, error);
    } finally {
      await file.close();
      this.#part = size > 0 ? { ...begun, size } : undefined;
      if (size === 0) await this.#parts.drop();
    }
    if (total !== null && size !== total)
      throw new NetworkError(
        `${withoutSecrets(this.#url)}: the connection ended after ${size} of ${total} bytes`,
        { passing: true },
      );
  }

  async #check(part: Part, checksum: Checksum, by: string): Promise<void> {
    const found = await mismatch(part.path, checksum, this.#options.signal);
    if (found === undefined) return;
    await this.#parts.drop();
    this.#part = undefined;
    throw new EnvironmentError({
      problem: `${withoutSecrets(this.#url)} is not the file that ${by} names; it was removed`,
      expected: `${checksum.algorithm} ${checksum.hex}${checksum.hex.length < 32 ? '…' : ''}`,
      found: found.slice(0, Math.max(16, checksum.hex.length)),
      hint: 'try again, or from another network: something on the way changes the file',
    });
  }
}

async function* chunksOf(
  reply: Reply,
  url: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of reply.body) {
      if (!(chunk instanceof Uint8Array)) throw new Error('a body of text');
      yield chunk;
    }
  } catch (cause) {
    throw signal?.aborted ? signal.reason : networkError(withoutSecrets(url), cause);
  }
}

/** Whether a partial reply begins where the part ends, and is of the same file. */
function continues(reply: Reply, part: Part): boolean {
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(reply.header('content-range') ?? '') ?? [];
  const same = total === '*' || part.version.total === null || Number(total) === part.version.total;
  const validator = validatorOf(reply);
  return (
    start !== undefined &&
    Number(start) === part.size &&
    same &&
    (validator === null || validator === part.version.validator)
  );
}

/** What If-Range takes: a strong ETag, else the date of the last change. */
function validatorOf(reply: Reply): string | null {
  const tag = reply.header('etag');
  if (tag?.startsWith('"')) return tag;
  return reply.header('last-modified') ?? null;
}

function lengthOf(header: string | undefined): number | null {
  return header !== undefined && /^\d+$/.test(header) ? Number(header) : null;
}

function statusError(url: string, reply: Reply): NetworkError {
  const { status } = reply;
  const said =
    status === 404 || status === 410
      ? 'there is no such file'
      : status === 401 || status === 403
        ? 'access is refused'
        : status === 407
          ? 'the proxy wants a user and a password'
          : status === 429
            ? 'too many requests'
            : 'the server does not give the file';
  const passing = status === 408 || status === 429 || status >= 500;
  const wait = passing ? lengthOf(reply.header('retry-after')) : null;
  return new NetworkError(`${withoutSecrets(url)}: ${said} (HTTP ${status})`, {
    passing,
    wait: wait ?? undefined,
  });
}

async function checkSpace(destination: string, bytes: number): Promise<void> {
  const folder = dirname(destination);
  const { bavail, bsize } = await statfs(folder).catch((cause) => {
    throw fileError(folder, 'using the cache', cause);
  });
  if (bavail * bsize > bytes) return;
  throw new EnvironmentError({
    problem: `the cache ${folder} has no room for the file`,
    expected: `${bytes} bytes`,
    found: `${bavail * bsize} bytes free`,
    hint: 'free some space, or choose another folder with --cache DIR',
  });
}

function cacheError(path: string, cause: unknown): ReparamError {
  const error = fileError(path, 'writing', cause);
  return error instanceof EnvironmentError
    ? new EnvironmentError({
        ...error.facts,
        hint: 'free some space or choose another folder with --cache DIR; the same command goes on from here',
      })
    : error;
}
