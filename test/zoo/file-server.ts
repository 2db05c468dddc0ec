import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What the next answer does in place of giving the file; used up by it. */
export type Trouble =
  /** The connection is cut after so many bytes of the body. */
  | { readonly cutAfter: number }
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** A length that is not the body's. */
  | { readonly length: number };

export interface Asked {
  readonly path: string;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly authorization: string | undefined;
  /** Bytes of the body that were sent. */
  sent: number;
}

/** Gives files over HTTP on this machine, as a publisher does, or as a bad one. */
export class FileServer {
  /** By path. */
  readonly files = new Map<string, Uint8Array>();
  readonly redirects = new Map<string, string>();
  readonly asked: Asked[] = [];
  readonly troubles: Trouble[] = [];
  etag: string | undefined = '"v1"';
  ranges = true;
  /** Without it, the body comes in chunks of unknown number. */
  length = true;
  headers: Readonly<Record<string, string>> = {};
  /** Milliseconds between two pieces of a body. */
  pause = 0;
  piece = 1 << 16;
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  readonly #sockets = new Set<Socket>();

  async listen(): Promise<this> {
    // A body that is shorter than its length ends with the connection.
    this.#server.keepAliveTimeout = 100;
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Body bytes given out so far. */
  get sent(): number {
    return this.asked.reduce((n, a) => n + a.sent, 0);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '', 'http://x').pathname;
    const { range, 'if-range': ifRange, authorization } = request.headers;
    const asked: Asked = { path, range, ifRange: String(ifRange ?? ''), authorization, sent: 0 };
    this.asked.push(asked);
    const redirect = this.redirects.get(path);
    if (redirect !== undefined) {
      response.writeHead(302, { location: redirect, ...this.headers }).end();
      return;
    }
    const trouble = this.troubles.shift();
    if (trouble && 'status' in trouble) {
      response.writeHead(trouble.status, trouble.headers).end('no');
      return;
    }
    const bytes = this.files.get(path);
    if (!bytes) {
      response.writeHead(404).end('not here');
      return;
    }
    const from = this.#from(range, asked.ifRange, bytes.byteLength);
    if (from > bytes.byteLength - 1 && from > 0) {
      response.writeHead(416, { 'content-range': `bytes */${bytes.byteLength}` }).end();
      return;
    }
    const rest = bytes.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, {
      ...(this.etag !== undefined && { etag: this.etag }),
      ...(this.length && {
        'content-length': trouble && 'length' in trouble ? trouble.length : rest.byteLength,
      }),
      ...(from > 0 && {
        'content-range': `bytes ${from}-${bytes.byteLength - 1}/${bytes.byteLength}`,
      }),
      'content-type': 'application/octet-stream',
      ...this.headers,
    });
    const end = trouble && 'cutAfter' in trouble ? trouble.cutAfter : rest.byteLength;
    while (asked.sent < end && !response.destroyed) {
      const piece = rest.subarray(asked.sent, Math.min(end, asked.sent + this.piece));
      // The callback also comes when the connection is gone.
      await new Promise<void>((resolve) => response.write(piece, () => resolve()));
      asked.sent += piece.byteLength;
      if (this.pause > 0) await sleep(this.pause);
    }
    // Ended, not reset: what was sent arrives.
    if (end < rest.byteLength) response.socket?.end();
    else response.end();
  }

  #from(range: string | undefined, ifRange: string | undefined, size: number): number {
    const start = /^bytes=(\d+)-$/.exec(range ?? '')?.[1];
    if (!this.ranges || start === undefined || (ifRange && ifRange !== this.etag)) return 0;
    return Math.min(Number(start), size);
  }
}
