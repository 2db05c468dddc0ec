import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EnvironmentError } from '../../src/base/errors.js';
import { randomFor } from '../../src/base/random.js';
import { download, type Verified, type Wanted } from '../../src/zoo/pull/download.js';
import type { PullEvent } from '../../src/zoo/pull/events.js';
import { FileServer } from './file-server.js';

const SIZE = 1_000_000;

function someBytes(size: number, seed: number): Uint8Array {
  const random = randomFor(seed, 'file');
  return Uint8Array.from({ length: size }, () => Math.floor(256 * random.next()));
}

const bytes = someBytes(SIZE, 1);
const sha256 = createHash('sha256').update(bytes).digest('hex');

let server: FileServer;
let folder: string;
let events: PullEvent[];

beforeEach(async () => {
  server = await new FileServer().listen();
  server.files.set('/w.bin', bytes);
  folder = join(mkdtempSync(join(tmpdir(), 'reparam-download-')), 'cache');
  events = [];
});

afterEach(async () => {
  await server.close();
  rmSync(join(folder, '..'), { recursive: true, force: true });
});

const url = (path = '/w.bin'): string => server.origin + path;
const destination = (): string => join(folder, 'w.bin');
const inCache = (): string[] => (existsSync(folder) ? readdirSync(folder).sort() : []);

async function get(wanted: Partial<Wanted> = {}, retries = 0, signal?: AbortSignal): Promise<Verified> {
  return download(
    {
      ...wanted,
      urls: wanted.urls ?? [url()],
      destination: destination(),
      limit: wanted.limit ?? 10 * SIZE,
      byHand: 'fetch it by hand',
    },
    { listener: (e) => events.push(e), retries, ...(signal && { signal }) },
  );
}

/** Downloads in vain; what is left is a part, or nothing. */
async function fails(message: RegExp, wanted: Partial<Wanted> = {}, retries = 0): Promise<void> {
  const attempt = get(wanted, retries);
  await expect(attempt).rejects.toThrow(message);
  await expect(attempt).rejects.toBeInstanceOf(EnvironmentError);
  expect(existsSync(destination())).toBe(false);
}

function expectWhole(): void {
  expect(Buffer.compare(readFileSync(destination()), bytes)).toBe(0);
  expect(inCache()).toEqual(['w.bin']);
}

const theWhole = { algorithm: 'sha256', hex: sha256 } as const;
const parts = (): string[] => inCache().filter((n) => n.endsWith('.part'));

describe('a download', () => {
  test('gives the bytes, and nothing else stays in the cache', async () => {
    expect(await get({ checksum: theWhole, bytes: SIZE })).toBe('publisher');
    expectWhole();
    expect(events.at(-1)).toEqual({ type: 'download', what: 'w.bin', done: SIZE, total: SIZE });
  });

  test('of a known md5, or of the first digits of a SHA-256', async () => {
    const md5 = createHash('md5').update(bytes).digest('hex');
    expect(await get({ checksum: { algorithm: 'md5', hex: md5 } })).toBe('publisher');
    rmSync(destination());
    expect(await get({ checksum: { algorithm: 'sha256', hex: sha256.slice(0, 8) } })).toBe('publisher');
    expectWhole();
  });

  test('of unknown length', async () => {
    server.length = false;
    expect(await get()).toBe('size only');
    expectWhole();
    expect(events.at(-1)).toEqual({ type: 'download', what: 'w.bin', done: SIZE, total: null });
  });

  test('follows redirects', async () => {
    server.redirects.set('/a', '/b');
    server.redirects.set('/b', url());
    await get({ urls: [url('/a')] });
    expectWhole();
  });

  test("takes the hub's word for the hash, told on the way of a redirect", async () => {
    server.redirects.set('/hub', '/w.bin');
    server.headers = { 'x-linked-etag': `"${sha256}"` };
    expect(await get({ urls: [url('/hub')] })).toBe('server');
    rmSync(destination());
    server.headers = { 'x-linked-etag': `"${'0'.repeat(64)}"` };
    await fails(/w\.bin|hub is not the file that the server names; it was removed; expected sha256 0000/, {
      urls: [url('/hub')],
    });
    expect(inCache()).toEqual([]);
  });

  test('asks the next place when the first does not have the file', async () => {
    await get({ urls: [url('/other.bin'), url()] });
    expectWhole();
    expect(server.asked.map((a) => a.path)).toEqual(['/other.bin', '/w.bin']);
  });
});

describe('cut connections', () => {
  test('the next command asks for the rest only', async () => {
    server.troubles.push({ cutAfter: 600_000 });
    await fails(/the connection was cut/, { checksum: theWhole });
    expect(parts()).toHaveLength(1);
    const kept = statSync(join(folder, parts()[0])).size;
    // What the client had not yet taken out of its buffer is lost with the connection.
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThanOrEqual(600_000);
    expect(await get({ checksum: theWhole })).toBe('publisher');
    expectWhole();
    expect(server.asked[1]).toMatchObject({ range: `bytes=${kept}-`, ifRange: '"v1"', sent: SIZE - kept });
  });

  test('are gone on with in the same command, as often as each try brings something', async () => {
    server.troubles.push({ cutAfter: 300_000 }, { cutAfter: 300_000 }, { cutAfter: 300_000 });
    expect(await get({ checksum: theWhole }, 1)).toBe('publisher');
    expectWhole();
    expect(server.asked).toHaveLength(4);
    expect(server.asked.slice(1).every((a) => a.range !== undefined)).toBe(true);
    expect(events.filter((e) => e.type === 'log').map((e) => e.message)).toEqual(
      Array(3).fill(expect.stringMatching(/the connection was cut.*trying again in 0\.5 s/)),
    );
  });

  test('tries end when they bring nothing', async () => {
    server.troubles.push({ status: 503 }, { status: 503 });
    await fails(/does not give the file \(HTTP 503\)\n {2}fetch it by hand/, {}, 1);
    expect(server.asked).toHaveLength(2);
  });

  test('a busy server says how long to wait', async () => {
    server.troubles.push({ status: 429, headers: { 'retry-after': '1' } });
    await get({}, 1);
    expect(events[0]).toMatchObject({ message: expect.stringMatching(/HTTP 429\); trying again in 1 s/) });
  });

  test('a server that cannot send a rest sends everything again', async () => {
    server.ranges = false;
    server.troubles.push({ cutAfter: 600_000 });
    await fails(/cut/);
    await get({ checksum: theWhole });
    expectWhole();
    expect(server.asked[1]).toMatchObject({ range: expect.stringMatching(/^bytes=\d+-$/), sent: SIZE });
    expect(events.some((e) => e.type === 'log' && /sends the whole file again/.test(e.message))).toBe(true);
  });

  test('a file that changed meanwhile is taken from its beginning', async () => {
    server.troubles.push({ cutAfter: 600_000 });
    server.files.set('/w.bin', someBytes(SIZE, 2));
    server.etag = '"v0"';
    await fails(/cut/);
    server.files.set('/w.bin', bytes);
    server.etag = '"v1"';
    await get({ checksum: theWhole });
    expectWhole();
    expect(server.asked[1]).toMatchObject({ ifRange: '"v0"', sent: SIZE });
  });

  test('and so is one that became shorter', async () => {
    server.troubles.push({ cutAfter: SIZE - 10 });
    server.files.set('/w.bin', someBytes(2 * SIZE, 2));
    server.piece = SIZE;
    await fails(/cut/);
    // A server that heeds Range but not If-Range.
    server.files.set('/w.bin', bytes.subarray(0, 1000));
    server.headers = { etag: '"v9"' };
    await get();
    expect(statSync(destination()).size).toBe(1000);
    expect(inCache()).toEqual(['w.bin']);
  });

  test('without ETag and date nothing tells whether the rest fits: from the beginning', async () => {
    server.etag = undefined;
    server.troubles.push({ cutAfter: 600_000 });
    await fails(/cut/);
    await get({ checksum: theWhole });
    expectWhole();
    expect(server.asked[1]).toMatchObject({ range: undefined, sent: SIZE });
  });

  test('a date will do', async () => {
    server.etag = 'Sat, 21 Nov 2026 10:00:00 GMT';
    server.headers = { etag: 'W/"weak"', 'last-modified': server.etag };
    server.troubles.push({ cutAfter: 600_000 });
    await fails(/cut/);
    await get({ checksum: theWhole });
    expect(server.asked[1].ifRange).toBe('Sat, 21 Nov 2026 10:00:00 GMT');
    expect(server.asked[1].sent).toBeLessThan(SIZE);
    expectWhole();
  });

  test('a part that was whole needs no request', async () => {
    server.troubles.push({ cutAfter: 600_000 });
    await fails(/cut/);
    writeFileSync(join(folder, parts()[0]), bytes);
    await get({ checksum: theWhole });
    expect(server.asked).toHaveLength(1);
    expectWhole();
  });

  test('a damaged note beside a part: from the beginning', async () => {
    server.troubles.push({ cutAfter: 600_000 });
    await fails(/cut/);
    const note = inCache().find((n) => n.endsWith('.json')) ?? '';
    writeFileSync(join(folder, note), '{');
    await get({ checksum: theWhole });
    expectWhole();
    expect(server.asked[1].range).toBeUndefined();
  });

  test('a spoilt part is found out by the checksum, removed, and not gone on with again', async () => {
    server.troubles.push({ cutAfter: 600_000 });
    await fails(/cut/);
    const part = join(folder, parts()[0]);
    writeFileSync(part, Buffer.alloc(statSync(part).size));
    await fails(/is not the file that the publisher names; it was removed/, { checksum: theWhole });
    expect(parts()).toEqual([]);
    await get({ checksum: theWhole });
    expectWhole();
  });
});

describe('what is not the file is refused', () => {
  test('a wrong checksum: removed', async () => {
    await fails(
      /w\.bin is not the file that the publisher names; it was removed; expected sha256 00000000…/,
      {
        checksum: { algorithm: 'sha256', hex: '00000000' },
      },
    );
    expect(inCache()).toEqual([]);
  });

  test('404', async () => {
    await fails(/nope\.bin: there is no such file \(HTTP 404\)\n {2}fetch it by hand/, {
      urls: [url('/nope.bin')],
    });
    expect(inCache()).toEqual([]);
  });

  test('redirects in a circle', async () => {
    server.redirects.set('/a', '/b');
    server.redirects.set('/b', '/a');
    await fails(/\/a: more than 10 redirects, the last to \/b/, { urls: [url('/a')] });
    expect(server.asked).toHaveLength(11);
  });

  test.each(['http://files.example/w.bin', 'ftp://files.example/w.bin', 'file:///etc/passwd'])(
    'a redirect to %s',
    async (place) => {
      server.redirects.set('/a', place);
      await fails(/redirected from http:\/\/127\.0\.0\.1:\d+\/a\): not encrypted; expected https/, {
        urls: [url('/a')],
      });
    },
  );

  test('another size than the known one, before anything is written', async () => {
    await fails(/1000000 bytes; expected 999999/, { bytes: SIZE - 1 });
    expect(inCache()).toEqual([]);
  });

  test('a size above the limit, before anything is written', async () => {
    server.troubles.push({ length: 10 ** 15 });
    await fails(/1000000000000000 bytes; expected at most 10000000/);
    expect(inCache()).toEqual([]);
  });

  test('more than the disk has room for', async () => {
    server.troubles.push({ length: 2 ** 52 });
    await fails(/has no room for the file; expected 4503599627370496 bytes; found \d+ bytes free/, {
      limit: 2 ** 53,
    });
    expect(inCache()).toEqual([]);
  });

  test('a body without end, at the limit', async () => {
    server.length = false;
    await fails(/more than 500000 bytes came/, { limit: 500_000 });
    expect(inCache()).toEqual([]);
  });

  test('a length that the body does not have', async () => {
    server.troubles.push({ length: SIZE + 5 });
    await fails(/cut|ended after 1000000 of 1000005 bytes/);
    expect(existsSync(destination())).toBe(false);
  });

  test('a length that is less than the body has: the checksum tells', async () => {
    server.troubles.push({ length: SIZE - 5 });
    await fails(/is not the file|cut|invalid|Parse Error/i, { checksum: theWhole });
  });

  test('a web page', async () => {
    server.headers = { 'content-type': 'text/html; charset=utf-8' };
    await fails(/a web page came instead of the file/);
    expect(inCache()).toEqual([]);
  });

  test('an encoding that was not asked for', async () => {
    server.headers = { 'content-encoding': 'gzip' };
    await fails(/sent as gzip, which was not asked for/);
  });
});

describe('without a network', () => {
  test('nobody listens', async () => {
    const { origin } = server;
    await server.close();
    await fails(
      /w\.bin: the connection was refused \(ECONNREFUSED\)\n {2}fetch it by hand/,
      {
        urls: [`${origin}/w.bin`],
      },
      3,
    );
    server = await new FileServer().listen();
  });

  test('no such name', async () => {
    await fails(/https:\/\/no\.such\.name\.invalid\/w\.bin: the name of the server/, {
      urls: ['https://no.such.name.invalid/w.bin'],
    });
  });

  test('all places are named', async () => {
    await fails(/a\.bin: there is no such file.*; .*b\.bin: there is no such file/, {
      urls: [url('/a.bin'), url('/b.bin')],
    });
  });
});

describe('several at once', () => {
  test('do not disturb each other', async () => {
    server.pause = 2;
    await Promise.all([get({ checksum: theWhole }), get({ checksum: theWhole })]);
    expectWhole();
  });

  test('a part is taken over by one of them', async () => {
    server.troubles.push({ cutAfter: 600_000 });
    await fails(/cut/);
    server.pause = 2;
    await Promise.all([get({ checksum: theWhole }), get({ checksum: theWhole })]);
    expectWhole();
    expect(server.asked.slice(1).filter((a) => a.range !== undefined)).toHaveLength(1);
  });

  test("a living process's part is left alone, a dead one's is taken over", async () => {
    server.troubles.push({ cutAfter: 600_000 });
    await fails(/cut/);
    const [own] = parts();
    const name = (pid: number): string =>
      own.replace(/\.\d+-([0-9a-f]{8})-[0-9a-f]{8}-/, `.${pid}-$1-01234567-`);
    const { renameSync } = await import('node:fs');
    renameSync(join(folder, own), join(folder, name(process.ppid)));
    await get({ checksum: theWhole });
    expect(server.asked[1].range).toBeUndefined();
    expect(parts()).toEqual([name(process.ppid)]);
    // No process has so high a number.
    renameSync(join(folder, name(process.ppid)), join(folder, name(2 ** 30)));
    rmSync(destination());
    await get({ checksum: theWhole });
    expect(server.asked[2].range).toBeDefined();
    expectWhole();
  });
});

test('aborting leaves a part that is gone on with', async () => {
  server.pause = 20;
  const controller = new AbortController();
  const reason = new Error('stop');
  const run = get({ checksum: theWhole }, 3, controller.signal);
  while (!events.some((e) => e.type === 'download')) await new Promise((r) => setTimeout(r, 5));
  controller.abort(reason);
  await expect(run).rejects.toBe(reason);
  expect(existsSync(destination())).toBe(false);
  const kept = statSync(join(folder, parts()[0])).size;
  expect(kept).toBeGreaterThan(0);
  server.pause = 0;
  await get({ checksum: theWhole });
  expectWhole();
  expect(server.asked[1].range).toBe(`bytes=${kept}-`);
});

test('a cache that cannot be written is said', async () => {
  writeFileSync(folder, 'a file');
  await expect(get()).rejects.toThrow(/using the cache .*cache: /);
  truncateSync(folder);
});
