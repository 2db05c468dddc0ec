/**
 * Parts of downloads, beside the file that they will become. A process owns a part by its name: taking over what another
 * process left is one rename, which only one of several can do, so no two ever write to the same part, and nobody waits for a
 * lock whose owner has died.
 *
 *   resnet50-0676ba61.pth                                the whole file
 *   resnet50-0676ba61.pth.<version>.json                 which version of it a part is of; never changes
 *   resnet50-0676ba61.pth.<version>.<owner>.part         its first bytes
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { fileError, writeFileAtomic } from '../../base/files.js';
import { PATIENCE_SECONDS } from './connect.js';

const versionSchema = z.object({
  /** Asked for, before redirects; without user and password. */
  url: z.string(),
  /** ETag or Last-Modified, for If-Range; without one a part cannot be gone on with. */
  validator: z.string().nullable(),
  /** Bytes of the whole file. */
  total: z.number().int().nonnegative().nullable(),
  /** Of the whole file, where the server told it. */
  sha256: z.string().nullable(),
});

/** What the server said about the file when its first byte came. */
export type FileVersion = z.infer<typeof versionSchema>;

export interface Part {
  readonly path: string;
  readonly version: FileVersion;
  /** Bytes in it. */
  readonly size: number;
}

/** A part that nobody has written to for longer than any request lasts without a byte. */
const LEFT_SECONDS = 2 * PATIENCE_SECONDS;

const HOST = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
/** Sets this process apart from one of the same number in another container. */
const SELF = randomBytes(4).toString('hex');
const NAME = /^(?<version>[0-9a-f]{16})\.(?<pid>\d+)-(?<host>[0-9a-f]{8})-(?<self>[0-9a-f]{8})-\d+\.part$/;

/** Parts that this process is writing to. */
const busy = new Set<string>();
let downloads = 0;

export class Parts {
  readonly #destination: string;
  readonly #owner = `${process.pid}-${HOST}-${SELF}-${downloads++}`;
  #owned: string | undefined;

  constructor(destination: string) {
    this.#destination = destination;
  }

  /**
   * Takes over the largest part of one of `urls` that was left. What nobody can go on with is removed.
   * @throws EnvironmentError when the folder cannot be read or written
   */
  async claim(urls: readonly string[]): Promise<Part | undefined> {
    const left = await this.#left();
    left.sort((a, b) => b.size - a.size);
    let claimed: Part | undefined;
    for (const { path, key, size } of left) {
      const version = await this.#version(key);
      if (claimed || size === 0 || !version || version.validator === null) {
        await rm(path, { force: true });
        continue;
      }
      if (!urls.includes(version.url)) continue;
      const own = this.#path(key);
      // Another process may have been faster.
      if (await rename(path, own).then(() => true, gone)) {
        this.#own(own);
        claimed = { path: own, version, size };
      }
    }
    return claimed;
  }

  /** A new, empty part in place of the own one. @throws EnvironmentError */
  async start(version: FileVersion): Promise<Part> {
    await this.drop();
    const key = createHash('sha256').update(JSON.stringify(version)).digest('hex').slice(0, 16);
    const path = this.#path(key);
    // The part first: a note that goes with no part is swept away.
    await writeFile(path, '', { flag: 'wx' }).catch((cause) => {
      throw fileError(path, 'writing', cause);
    });
    this.#own(path);
    await writeFileAtomic(this.#notePath(key), JSON.stringify(version));
    return { path, version, size: 0 };
  }

  /** The part is whole: it takes the place of the file, and what else was left of it goes. @throws EnvironmentError */
  async finish(part: Part): Promise<void> {
    await rename(part.path, this.#destination).catch((cause) => {
      throw fileError(this.#destination, 'writing', cause);
    });
    this.release();
    for (const { path } of await this.#left()) await rm(path, { force: true });
    await this.#sweep();
  }

  /** Removes the own part. */
  async drop(): Promise<void> {
    if (this.#owned === undefined) return;
    await rm(this.#owned, { force: true });
    this.release();
    await this.#sweep();
  }

  /** Leaves the own part for whoever comes next. */
  release(): void {
    if (this.#owned !== undefined) busy.delete(this.#owned);
    this.#owned = undefined;
  }

  #own(path: string): void {
    this.release();
    this.#owned = path;
    busy.add(path);
  }

  #path(key: string): string {
    return `${this.#destination}.${key}.${this.#owner}.part`;
  }

  #notePath(key: string): string {
    return `${this.#destination}.${key}.json`;
  }

  /** Removes notes that go with no part. */
  async #sweep(): Promise<void> {
    const folder = dirname(this.#destination);
    const start = `${basename(this.#destination)}.`;
    const rests = (await readdir(folder))
      .filter((n) => n.startsWith(start))
      .map((n) => n.slice(start.length));
    const used = new Set(rests.map((n) => NAME.exec(n)?.groups?.version));
    for (const rest of rests) {
      const [, version] = /^([0-9a-f]{16})\.json$/.exec(rest) ?? [];
      if (version !== undefined && !used.has(version)) await rm(join(folder, start + rest), { force: true });
    }
  }

  async #version(key: string): Promise<FileVersion | undefined> {
    try {
      return versionSchema.parse(JSON.parse(await readFile(this.#notePath(key), 'utf8')));
    } catch {
      // Damaged or missing: the part is of no use.
      return undefined;
    }
  }

  /** Parts of the file that no living process is writing to. */
  async #left(): Promise<{ path: string; key: string; size: number }[]> {
    const folder = dirname(this.#destination);
    const start = `${basename(this.#destination)}.`;
    const left = [];
    try {
      await mkdir(folder, { recursive: true });
      for (const name of await readdir(folder)) {
        if (!name.startsWith(start)) continue;
        const { version, pid, host, self } = NAME.exec(name.slice(start.length))?.groups ?? {};
        if (version === undefined) continue;
        const path = join(folder, name);
        const found = await stat(path).catch(gone);
        if (!found) continue;
        const idle = (Date.now() - found.mtimeMs) / 1000;
        const dead = self === SELF ? !busy.has(path) : host === HOST && !isAlive(Number(pid));
        if (dead || idle > LEFT_SECONDS) left.push({ path, key: version, size: found.size });
      }
    } catch (cause) {
      throw fileError(folder, 'using the cache', cause);
    }
    return left;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, as another user's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** For a file that another process may have taken away meanwhile. */
function gone(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}
