import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const socketName = ".s.PGSQL.5432";

/** The way to a Postgres server, which can be cut and mended. */
export class Cable {
  readonly #target: string;
  readonly #folder: string;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  private constructor(target: string, folder: string) {
    this.#target = join(target, socketName);
    this.#folder = folder;
  }

  /** @param host folder of the server's socket */
  static async lay(host: string): Promise<Cable> {
    const cable = new Cable(host, await mkdtemp(join(tmpdir(), "pdaas-cable-")));
    await cable.mend();
    return cable;
  }

  /** The URL of a database by way of this cable. */
  url(database: string): string {
    return `postgres://pdaas@localhost/${database}?host=${encodeURIComponent(this.#folder)}`;
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
    this.#server = createServer((near) => {
      const far = connect(this.#target);
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => {
          this.#sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
      }
      near.pipe(far).pipe(near);
    }).listen(join(this.#folder, socketName));
    await once(this.#server, "listening");
  }

  async remove(): Promise<void> {
    await this.cut();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
