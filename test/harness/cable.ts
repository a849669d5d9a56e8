import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Transform } from "node:stream";

const socketName = ".s.PGSQL.5432";

/** Where a server listens. */
type End = { path: string } | { host: string; port: number };

/** The way to a server, which can be cut and mended. */
abstract class Line {
  readonly #near: End;
  readonly #far: End;
  readonly #delayMs: number;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  /** @param delayMs how long what is sent is on its way; answers come at once */
  protected constructor(near: End, far: End, delayMs = 0) {
    this.#near = near;
    this.#far = far;
    this.#delayMs = delayMs;
  }

  /** Breaks all connections, and refuses new ones. */
  async cut(): Promise<void> {
    const server = this.#server as Server;
    server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(server, "close");
  }

  /** Lets all connections go silent, without a word to either end; new ones are well. */
  freeze(): void {
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  async mend(): Promise<void> {
    // An end that has said its last word still hears what is on its way to it.
    this.#server = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect(this.#far);
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => {
          this.#sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
      }
      const sent = this.#delayMs === 0 ? near : near.pipe(delay(this.#delayMs));
      sent.pipe(far).pipe(near);
    }).listen(this.#near);
    await once(this.#server, "listening");
    // Any free port will do at first; afterwards it is the one that is known.
    if ("port" in this.#near) this.#near.port = (this.#server.address() as AddressInfo).port;
  }

  async remove(): Promise<void> {
    await this.cut();
  }
}

function delay(ms: number): Transform {
  return new Transform({
    transform(chunk, _encoding, done) {
      setTimeout(() => this.push(chunk), ms);
      done();
    },
    flush: (done) => void setTimeout(done, ms),
  });
}

/** The way to a Postgres server. */
export class Cable extends Line {
  /** Of the socket at this end. */
  readonly folder: string;

  private constructor(target: string, folder: string, delayMs?: number) {
    super({ path: join(folder, socketName) }, { path: join(target, socketName) }, delayMs);
    this.folder = folder;
  }

  /** @param host folder of the server's socket */
  static async lay(host: string, options: { delayMs?: number } = {}): Promise<Cable> {
    const folder = await mkdtemp(join(tmpdir(), "pdaas-cable-"));
    const cable = new Cable(host, folder, options.delayMs);
    await cable.mend();
    return cable;
  }

  /** The URL of a database by way of this cable. */
  url(database: string): string {
    return `postgres://pdaas@localhost/${database}?host=${encodeURIComponent(this.folder)}`;
  }

  override async remove(): Promise<void> {
    await super.remove();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The way to a server that has a URL, such as Redis. */
export class TcpCable extends Line {
  readonly #target: URL;
  readonly #near: { host: string; port: number };

  private constructor(target: URL, delayMs: number) {
    const near = { host: "127.0.0.1", port: 0 };
    super(near, { host: target.hostname, port: Number(target.port || 6379) }, delayMs);
    this.#target = target;
    this.#near = near;
  }

  /** @param url `redis://…` or `http://…`; not TLS, whose certificate would not be the cable's */
  static async lay(url: string, options: { delayMs: number }): Promise<TcpCable> {
    const cable = new TcpCable(new URL(url), options.delayMs);
    await cable.mend();
    return cable;
  }

  /** The URL of the server by way of this cable, without a slash at its end. */
  get url(): string {
    const url = new URL(this.#target);
    url.host = `${this.#near.host}:${this.#near.port}`;
    return url.href.replace(/\/$/, "");
  }
}
