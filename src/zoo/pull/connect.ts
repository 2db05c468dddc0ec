/** One HTTP request over a connection of its own, through a proxy where the environment names one. */
import { type ClientRequest, type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { isIP, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { NetworkError } from './network-error.js';
import { proxyAuthorization, proxyFor } from './proxy.js';

/** Seconds without a connection, an answer or a byte after which a request has failed. */
export const PATIENCE_SECONDS = 30;

/**
 * GET.
 * @param url without user and password
 * @throws what Node reports; NetworkError for a proxy that refuses; AbortError when aborted
 */
export async function send(
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<IncomingMessage> {
  const proxy = proxyFor(url);
  const options = { headers, ...(signal && { signal }) };
  // No agent: a connection of its own, none that the server has given up meanwhile.
  if (!proxy) return answerOf(requestOf(url)(url, { ...options, agent: false }));
  if (url.protocol === 'http:')
    return answerOf(
      requestOf(proxy)(proxy, {
        ...options,
        agent: false,
        path: url.href,
        headers: { ...headers, host: url.host, ...proxyAuthorization(proxy) },
      }),
    );
  const socket = await tunnel(url, proxy, signal);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  // Node asks an agent for the connection where there is one, even where it is `false`.
  return answerOf(
    tlsRequest(url, {
      ...options,
      createConnection: () => tlsConnect({ socket, ...(isIP(host) === 0 && { servername: host }) }),
    }),
  );
}

function requestOf({ protocol }: URL): typeof plainRequest {
  return protocol === 'https:' ? tlsRequest : plainRequest;
}

/** A connection to the server of `url` that the proxy passes on as it is. */
function tunnel(url: URL, proxy: URL, signal: AbortSignal | undefined): Promise<Socket> {
  const authority = `${url.hostname}:${url.port || 443}`;
  return new Promise((resolve, reject) => {
    const request = requestOf(proxy)(proxy, {
      method: 'CONNECT',
      path: authority,
      headers: { host: authority, ...proxyAuthorization(proxy) },
      agent: false,
      ...(signal && { signal }),
    });
    const refused = (status: number | undefined): void => {
      request.destroy();
      reject(
        new NetworkError(`the proxy ${proxy.host} does not connect to ${authority} (HTTP ${status})`, {
          passing: status !== undefined && status >= 500,
        }),
      );
    };
    timeLimited(request);
    request.on('error', reject);
    request.on('response', (response) => refused(response.statusCode));
    request.on('connect', (response, socket) => {
      if (response.statusCode !== 200) return refused(response.statusCode);
      socket.setTimeout(0);
      resolve(socket);
    });
    request.end();
  });
}

function answerOf(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    timeLimited(request);
    request.on('error', reject);
    request.on('response', resolve);
    request.end();
  });
}

/** Ends a request, and the answer that has begun, when nothing comes any more. */
function timeLimited(request: ClientRequest): void {
  let answer: IncomingMessage | undefined;
  request.on('response', (response) => {
    answer = response;
  });
  request.setTimeout(1000 * PATIENCE_SECONDS, () => {
    const error = Object.assign(new Error(`nothing came for ${PATIENCE_SECONDS} s`), { code: 'ETIMEDOUT' });
    answer?.destroy(error);
    request.destroy(error);
  });
}
