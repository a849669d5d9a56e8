import pg from "pg";
import { auditHeads } from "./audit-tail.ts";
import type { Database } from "./database.ts";

/** Notified of when logs have grown; the payload is the organization. */
const channel = "pdaas_audit";
const pollMs = 1_000;
const reconnectMs = 500;

/**
 * Tells how far the audit logs of organizations have come: as soon as Postgres notifies of it, on one
 * connection for all, and within a second even if it does not.
 */
export class AuditFeed {
  readonly #db: Database;
  readonly #config: pg.PoolConfig;
  readonly #onError: (error: unknown) => void;
  readonly #heads = new Map<string, FollowedHead>();
  /** Organizations whose logs may have grown. */
  readonly #due = new Set<string>();
  readonly #timer: NodeJS.Timeout;
  #isReading = false;
  #client: pg.Client | undefined;
  #isClosed = false;

  constructor(db: Database, config: pg.PoolConfig, onError: (error: unknown) => void) {
    this.#db = db;
    this.#config = config;
    this.#onError = onError;
    this.#timer = setInterval(() => void this.#noteDue(this.#heads.keys()), pollMs).unref();
  }

  /** Begins to listen, and goes on whenever the connection breaks. */
  async start(): Promise<void> {
    while (!this.#isClosed && !(await this.#listen())) {
      await new Promise((resolve) => setTimeout(resolve, reconnectMs).unref());
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#client?.end();
  }

  /** Follows an organization's log until it is disposed of. */
  follow(organizationId: string): Disposable & { head: FollowedHead } {
    const head = this.#heads.get(organizationId) ?? new FollowedHead();
    this.#heads.set(organizationId, head);
    head.followers++;
    const leave = () => {
      head.followers--;
      if (head.followers === 0) this.#heads.delete(organizationId);
    };
    return { head, [Symbol.dispose]: leave };
  }

  async #listen(): Promise<boolean> {
    const client = new pg.Client({ ...this.#config, keepAlive: true });
    client.on("error", () => {});
    client.on("notification", ({ payload = "" }) => void this.#noteDue([payload]));
    try {
      await client.connect();
      await client.query(`listen ${channel}`);
    } catch (error) {
      this.#onError(error);
      await client.end().catch(() => {});
      return false;
    }
    this.#client = client;
    if (this.#isClosed) await client.end();
    else client.once("end", () => void this.start());
    return true;
  }

  /** Many notifications that come at once cost one query. */
  async #noteDue(organizationIds: Iterable<string>): Promise<void> {
    for (const id of organizationIds) {
      if (this.#heads.has(id)) this.#due.add(id);
    }
    if (this.#isReading) return;
    this.#isReading = true;
    while (this.#due.size > 0) {
      const ids = [...this.#due];
      this.#due.clear();
      await this.#read(ids).catch(this.#onError);
    }
    this.#isReading = false;
  }

  async #read(organizationIds: string[]): Promise<void> {
    for (const { organizationId, sequence } of await auditHeads(this.#db, organizationIds)) {
      this.#heads.get(organizationId)?.raise(sequence);
    }
  }
}

/** How far the log of an organization has come that somebody follows. */
export class FollowedHead {
  followers = 0;
  #sequence = 0;
  readonly #waiting = new Set<() => void>();

  raise(sequence: number): void {
    if (sequence <= this.#sequence) return;
    this.#sequence = sequence;
    for (const wake of this.#waiting) wake();
  }

  /** Waits for an entry after one, but no longer than `timeoutMs` and not when the signal is aborted. */
  async beyond(sequence: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (this.#sequence > sequence || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => {
      if (this.#sequence > sequence) resolve();
    };
    const end = () => resolve();
    const timer = setTimeout(end, timeoutMs);
    signal.addEventListener("abort", end);
    this.#waiting.add(wake);
    await promise;
    this.#waiting.delete(wake);
    signal.removeEventListener("abort", end);
    clearTimeout(timer);
  }
}
