import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { get } from '../../src/zoo/pull/http.js';
import { proxyFor } from '../../src/zoo/pull/proxy.js';
import { FileServer } from './file-server.js';

/** A certificate that nobody trusts, undefined where there is no openssl to make it. */
function selfSigned(): { readonly key: Buffer; readonly cert: Buffer } | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'reparam-certificate-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  try {
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
        ...['-subj', '/CN=far.example', '-days', '2', '-keyout', key, '-out', cert],
      ],
      { stdio: 'ignore' },
    );
    return { key: readFileSync(key), cert: readFileSync(cert) };
  } catch {
    console.log('no openssl: connections to https servers through a proxy are not tested');
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const certificate = selfSigned();

async function textOf(body: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe('the proxy of a URL', () => {
  const env = {
    HTTPS_PROXY: 'http://me:pw@secure.example:3128',
    http_proxy: 'plain.example:8080',
    NO_PROXY: 'localhost, .inner.example,other.example:8443 *.star.example',
  };

  test.each([
    ['https://a.example/x', 'secure.example:3128'],
    ['http://a.example/x', 'plain.example:8080'],
    ['https://localhost/x', undefined],
    ['https://a.inner.example/x', undefined],
    ['https://inner.example/x', undefined],
    ['https://winner.example/x', 'secure.example:3128'],
    ['https://other.example/x', 'secure.example:3128'],
    ['https://other.example:8443/x', undefined],
    ['https://a.star.example/x', undefined],
  ])('%s: %s', (url, host) => {
    expect(proxyFor(new URL(url), env)?.host).toBe(host);
    expect(proxyFor(new URL(url), { ...env, NO_PROXY: '*' })).toBeUndefined();
    expect(proxyFor(new URL(url), {})).toBeUndefined();
  });

  test('must be an http URL', () => {
    expect(() => proxyFor(new URL('https://a'), { HTTPS_PROXY: 'socks5://x:1' })).toThrow(
      /the environment's HTTPS_PROXY is no proxy; expected an http or https URL/,
    );
  });
});

describe('through a proxy', () => {
  let files: FileServer;
  let secure: Server;
  let proxy: Server;
  /** What the proxy was asked for, and with which authorization. */
  let asked: (readonly [string, string | undefined])[];
  let tunnels: Duplex[];

  beforeEach(async () => {
    asked = [];
    tunnels = [];
    files = await new FileServer().listen();
    files.files.set('/a', Buffer.from('text'));
    secure = createTlsServer(certificate ?? {}, (request, response) => response.end(`secret ${request.url}`));
    await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
    // Passes everything on to these two, as if all names were theirs.
    const { port } = secure.address() as AddressInfo;
    proxy = createServer((request, response) => {
      asked.push([request.url ?? '', request.headers['proxy-authorization']]);
      const { pathname } = new URL(request.url ?? '');
      void fetch(files.origin + pathname).then(async (r) => response.writeHead(r.status).end(await r.text()));
    });
    proxy.on('connect', (request, socket) => {
      asked.push([`CONNECT ${request.url}`, request.headers['proxy-authorization']]);
      if (request.url === 'refused.example:443') {
        socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
        return;
      }
      const server = connect(port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        server.pipe(socket);
        socket.pipe(server);
      });
      for (const s of [server, socket]) tunnels.push(s.on('error', () => undefined));
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const address = `http://me:pw@127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    vi.stubEnv('http_proxy', address);
    vi.stubEnv('https_proxy', address);
    vi.stubEnv('no_proxy', '');
    vi.stubEnv('NO_PROXY', '');
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    // Sockets of tunnels are no connections of the proxy any more.
    for (const tunnel of tunnels) tunnel.destroy();
    for (const server of [proxy, secure]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    await files.close();
  });

  const authorization = `Basic ${Buffer.from('me:pw').toString('base64')}`;

  test('http: the whole URL is asked for', async () => {
    const reply = await get('http://far.example/a', {}, new Set(['http://far.example']));
    expect(await textOf(reply.body)).toBe('text');
    expect(asked).toEqual([['http://far.example/a', authorization]]);
  });

  test.skipIf(!certificate)(
    'https: a connection to the server, which the proxy cannot look into',
    async () => {
      vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
      const reply = await get('https://far.example/a?b', {}, new Set());
      expect(await textOf(reply.body)).toBe('secret /a?b');
      expect(asked).toEqual([['CONNECT far.example:443', authorization]]);
    },
  );

  test.skipIf(!certificate)('a certificate that nobody trusts is refused', async () => {
    await expect(get('https://far.example/a', {}, new Set())).rejects.toThrow(
      /https:\/\/far\.example\/a: its certificate is not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\); NODE_EXTRA_CA_CERTS/,
    );
  });

  test('that refuses: said', async () => {
    await expect(get('https://refused.example/a', {}, new Set())).rejects.toThrow(
      /the proxy 127\.0\.0\.1:\d+ does not connect to refused\.example:443 \(HTTP 403\)/,
    );
  });

  test('but not where NO_PROXY says so', async () => {
    vi.stubEnv('no_proxy', '127.0.0.1');
    const reply = await get(`${files.origin}/a`, {}, new Set());
    reply.body.resume();
    expect(reply.status).toBe(200);
    expect(asked).toEqual([]);
  });
});
