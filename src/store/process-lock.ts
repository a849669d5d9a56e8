import pg from "pg";

/** Postgres advisory lock that says who keeps nonces for this database. */
const lockKey = 0x70646161;

/**
 * Holds, for as long as the process lives, that nonces are kept in one place: in this process alone
 * ("exclusive"), or in Redis, with any number of processes ("shared").
 */
export class ProcessLock {
  readonly #config: pg.PoolConfig;
  readonly #statement: string;
  readonly #onLost: () => void;
  #client: pg.Client | undefined;
  #closed = false;

  /** @param onLost called when another process has taken the lock after a broken connection */
  constructor(config: pg.PoolConfig, mode: "exclusive" | "shared", onLost: () => void) {
    this.#config = config;
    const shared = mode === "shared" ? "_shared" : "";
    this.#statement = `select pg_try_advisory_lock${shared}(${lockKey}) as held`;
    this.#onLost = onLost;
  }

  /** @returns whether the lock was free */
  async acquire(): Promise<boolean> {
    const client = new pg.Client({ ...this.#config, keepAlive: true });
    client.on("error", () => {});
    await client.connect();
    const { rows } = await client.query<{ held: boolean }>(this.#statement);
    if (rows[0]?.held !== true) {
      await client.end();
      return false;
    }
    if (this.#closed) {
      await client.end();
      return true;
    }
    this.#client = client;
    client.once("end", () => this.#reacquire());
    return true;
  }

  async release(): Promise<void> {
    this.#closed = true;
    await this.#client?.end();
  }

  async #reacquire(): Promise<void> {
    while (!this.#closed) {
      const held = await this.acquire().catch(() => undefined);
      if (held === true) return;
      if (held === false) return this.#onLost();
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}
