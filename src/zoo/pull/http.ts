import type { IncomingMessage } from 'node:http';
import { ReparamError } from '../../base/errors.js';
import { packageVersion } from '../../base/package.js';
import { send } from './connect.js';
import { NetworkError, networkError } from './network-error.js';
import { basic } from './proxy.js';

const REDIRECTS = 10;

export interface Reply {
  readonly status: number;
  /** Of the last answer, by lower-case name. */
  readonly header: (name: string) => string | undefined;
  /** SHA-256 of the file, where a hub told it on the way (Hugging Face: `x-linked-etag`). */
  readonly sha256: string | undefined;
  readonly body: IncomingMessage;
}

/**
 * GET, redirects followed.
 * @param headers lower-case names
 * @param plainHttp origins that may be asked without encryption, beside this machine itself
 * @throws NetworkError; UsageError for a proxy that is none; the signal's reason when it is aborted
 */
export async function get(
  first: string,
  headers: Readonly<Record<string, string>>,
  plainHttp: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<Reply> {
  const seen: string[] = [];
  let sha256: string | undefined;
  for (let url = first; ; ) {
    checkEncrypted(url, plainHttp, seen);
    seen.push(withoutSecrets(url));
    const body = await send(bare(url), { ...ownHeaders(first, url), ...headers }, signal).catch((cause) => {
      if (signal?.aborted) throw signal.reason;
      throw cause instanceof ReparamError ? cause : networkError(withoutSecrets(url), cause);
    });
    const header = (name: string): string | undefined => {
      const value = body.headers[name];
      return Array.isArray(value) ? value[0] : value;
    };
    sha256 ??= /^"?([0-9a-f]{64})"?$/.exec(header('x-linked-etag') ?? '')?.[1];
    const status = body.statusCode ?? 0;
    const location = header('location');
    if (![301, 302, 303, 307, 308].includes(status) || location === undefined)
      return { status, header, sha256, body };
    discard(body);
    if (seen.length > REDIRECTS)
      throw new NetworkError(
        `${seen[0]}: more than ${REDIRECTS} redirects, the last to ${withoutSecrets(location)}`,
        { passing: false },
      );
    if (!URL.canParse(location, url))
      throw new NetworkError(`${seen[0]}: redirects to ${location}, which is no URL`, { passing: false });
    url = new URL(location, url).href;
  }
}

/** Ends a connection whose body nobody reads (any more). */
export function discard(body: IncomingMessage): void {
  body.on('error', () => undefined).destroy();
}

function ownHeaders(first: string, url: string): Record<string, string> {
  const start = new URL(first);
  return {
    'user-agent': `reparam/${packageVersion()}`,
    // Ranges and lengths are those of the file itself.
    'accept-encoding': 'identity',
    // A mirror's user and password go to the mirror, and nowhere that it redirects to.
    ...(start.username && new URL(url).origin === start.origin && { authorization: basic(start) }),
  };
}

function checkEncrypted(url: string, plainHttp: ReadonlySet<string>, seen: readonly string[]): void {
  const { protocol, hostname, origin } = new URL(url);
  if (protocol === 'https:') return;
  if (protocol === 'http:' && (isThisMachine(hostname) || plainHttp.has(origin))) return;
  const where = seen.length === 0 ? '' : ` (redirected from ${seen[0]})`;
  throw new NetworkError(`${withoutSecrets(url)}${where}: not encrypted; expected https`, { passing: false });
}

function isThisMachine(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}

function bare(url: string): URL {
  const made = new URL(url);
  made.username = '';
  made.password = '';
  return made;
}

/** For messages: without user, password and query, which often holds a signature. */
export function withoutSecrets(url: string): string {
  if (!URL.canParse(url)) return url;
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}
