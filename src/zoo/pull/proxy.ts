import { UsageError } from '../../base/errors.js';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for a URL, as curl and others read the environment: HTTPS_PROXY for https, HTTP_PROXY for http, in lower or upper
 * case, but for hosts that NO_PROXY names. @throws UsageError when the variable is no http(s) URL
 */
export function proxyFor(url: URL, env: Environment = process.env): URL | undefined {
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const text = variable(env, name);
  if (!text || isDirect(url, variable(env, 'NO_PROXY') ?? '')) return undefined;
  // Many write the host and port alone.
  const full = text.includes('://') ? text : `http://${text}`;
  const proxy = URL.canParse(full) ? new URL(full) : undefined;
  if (proxy && (proxy.protocol === 'http:' || proxy.protocol === 'https:')) return proxy;
  throw new UsageError({
    problem: `the environment's ${name} is no proxy`,
    expected: 'an http or https URL, such as http://proxy.example:3128',
  });
}

function variable(env: Environment, name: string): string | undefined {
  return env[name.toLowerCase()] || env[name];
}

/** Whether NO_PROXY has the host: itself, a domain it is in (`.example.com` or `example.com`), with or without its port, `*`. */
function isDirect(url: URL, list: string): boolean {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      const [, host, only] = /^(.+?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
      const domain = host.replace(/^\*?\./, '');
      if (only !== undefined && only !== port) return false;
      return url.hostname === domain || url.hostname.endsWith(`.${domain}`);
    });
}

/** The header that a proxy with a user and password wants. */
export function proxyAuthorization(proxy: URL): { 'proxy-authorization'?: string } {
  return proxy.username ? { 'proxy-authorization': basic(proxy) } : {};
}

/** User and password of a URL, as a header has them. */
export function basic({ username, password }: URL): string {
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}
