/** A request that brought no file. */
export class NetworkError extends Error {
  /** Whether asking again may help: a cut or slow connection, a busy server. */
  readonly passing: boolean;
  /** Seconds the server asked to wait. */
  readonly wait: number | undefined;

  constructor(message: string, options: { passing: boolean; wait?: number | undefined; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.name = 'NetworkError';
    this.passing = options.passing;
    this.wait = options.wait;
  }
}

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)/;

/** Failures of the connection itself, by Node's codes: what to say, and whether they may pass. */
const FAILURES: Readonly<Record<string, readonly [text: string, passing: boolean]>> = {
  ENOTFOUND: ['the name of the server is not known', false],
  EAI_AGAIN: ['the name of the server cannot be looked up', true],
  ECONNREFUSED: ['the connection was refused', false],
  ENETUNREACH: ['there is no way to that network', false],
  EHOSTUNREACH: ['there is no way to that server', false],
  ECONNRESET: ['the connection was cut', true],
  EPIPE: ['the connection was cut', true],
  ETIMEDOUT: ['nothing came any more', true],
};

/** Names what a library reported while `url` was asked for or read. */
export function networkError(url: string, cause: unknown): NetworkError {
  if (cause instanceof NetworkError) return cause;
  const code = codeOf(cause);
  if (CERTIFICATE.test(code))
    return new NetworkError(
      `${url}: its certificate is not trusted (${code}); NODE_EXTRA_CA_CERTS=FILE adds one of your own network`,
      { passing: false, cause },
    );
  const [text, passing] = FAILURES[code] ?? [cause instanceof Error ? cause.message : String(cause), false];
  return new NetworkError(`${url}: ${text}${code ? ` (${code})` : ''}`, { passing, cause });
}

function codeOf(error: unknown): string {
  for (let e = error, depth = 0; e instanceof Error && depth < 5; e = e.cause, depth++)
    if ('code' in e && typeof e.code === 'string') return e.code;
  return '';
}
