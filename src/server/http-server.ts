import { createServer as createHttp1 } from "node:http";
import {
  createServer as createHttp2,
  createSecureServer,
  type ServerHttp2Session,
} from "node:http2";
import { type AddressInfo, createServer as createNet, type Server, type Socket } from "node:net";
import type { Listener } from "./http.ts";
import type { Tls } from "./tls.ts";

const timeouts = {
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 2_000,
};
/** A connection on which nothing happens for so long is closed. */
const sessionIdleMs = 10 * 60_000;
const http2Options = { settings: { maxConcurrentStreams: 1_000 } };

/** A server of HTTP/1.1 and HTTP/2 on one port. */
export class HttpServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #setTls: (tls: Tls) => void;
  readonly #http2Sessions = new Set<ServerHttp2Session>();
  #isClosing = false;
  #inFlight = 0;
  #onIdle = () => {};
  #stopChecks = () => {};

  constructor(listener: Listener, tls: Tls | undefined) {
    const counted: Listener = (request, response) => {
      this.#inFlight++;
      response.once("close", () => {
        this.#inFlight--;
        if (this.#inFlight === 0) this.#onIdle();
      });
      if (this.#isClosing && request.httpVersionMajor === 1) {
        response.setHeader("connection", "close");
      }
      listener(request, response);
    };
    const onSession = (session: ServerHttp2Session) => {
      this.#http2Sessions.add(session);
      session.setTimeout(sessionIdleMs, () => session.close());
      session.once("close", () => this.#http2Sessions.delete(session));
    };
    if (tls === undefined) {
      const { server, stopChecks } = plainServer(counted, onSession);
      this.#server = server;
      this.#stopChecks = stopChecks;
      this.#setTls = () => {};
    } else {
      const secure = createSecureServer(
        { ...tls, ...timeouts, ...http2Options, allowHTTP1: true },
        counted as never,
      );
      secure.on("session", onSession);
      this.#server = secure;
      this.#setTls = (next) => secure.setSecureContext(next);
    }
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  /** Binds the server; port 0 takes any free one. @returns the port */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, host, () => {
        this.#server.off("error", reject);
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  /** Takes a certificate into use for new connections. @throws Error when it does not fit its key */
  setTls(tls: Tls): void {
    this.#setTls(tls);
  }

  /** Stops accepting connections, lets calls in flight finish for a while, then ends what is left. */
  async close(graceMs: number): Promise<void> {
    this.#isClosing = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    // Those with calls in flight end after them; the others go elsewhere with their next call.
    for (const session of this.#http2Sessions) session.close();
    if (this.#inFlight > 0) await this.#idleWithin(graceMs);
    for (const socket of this.#sockets) socket.destroy();
    this.#stopChecks();
    await closed;
  }

  #idleWithin(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, graceMs);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

interface PlainServer {
  server: Server;
  stopChecks(): void;
}

/** Without TLS there is no negotiation; an HTTP/2 client begins with its preface (RFC 9113 §3.4). */
function plainServer(
  listener: Listener,
  onSession: (session: ServerHttp2Session) => void,
): PlainServer {
  const http1 = createHttp1(timeouts, listener);
  // It is handed its connections, and checks them for slow requests only once it thinks it listens.
  http1.emit("listening");
  const http2 = createHttp2(http2Options, listener as never).on("session", onSession);
  const server = createNet((socket) => {
    socket.on("error", () => socket.destroy());
    socket.setTimeout(timeouts.headersTimeout, () => socket.destroy());
    socket.once("data", (head) => {
      socket.setTimeout(0).removeAllListeners("timeout").pause();
      socket.unshift(head);
      // No HTTP/1.1 method that is served here begins like "PRI".
      const isHttp2 = head.toString("latin1", 0, 3) === "PRI";
      (isHttp2 ? http2 : http1).emit("connection", socket);
      // An HTTP/2 session takes the socket over, with what was put back; the other reads from it.
      if (!isHttp2) socket.resume();
    });
  });
  return { server, stopChecks: () => http1.close() };
}
