import type { Cluster, Redis } from "ioredis";
import { RedisBatch } from "./redis-batch.ts";
import {
  type NonceClaim,
  type NonceVerdict,
  type ReplayStore,
  replayStoreUnavailable,
} from "./replay-store.ts";
import { admitScript, admitSha, meetScript, raiseScript } from "./scripts.ts";

/** A batch holds up Redis for so long that others would notice, if it were larger. */
const maxBatch = 512;

interface Pending {
  claim: NonceClaim;
  resolve(verdict: NonceVerdict): void;
  reject(error: unknown): void;
}

export interface RedisReplayStoreOptions {
  /** 8 characters that set this installation's keys apart. */
  instance: string;
  log: (message: string) => void;
}

/**
 * Nonces in Redis. All claims of one turn of the event loop go in one call of one script.
 *
 * Keys share a hash tag, so that one script may use them all in a cluster: an installation's nonces
 * live on one of its nodes.
 */
export class RedisReplayStore implements ReplayStore {
  readonly #redis: Redis | Cluster;
  readonly #prefix: string;
  readonly #log: (message: string) => void;
  readonly #listeners: (() => void)[] = [];
  #pending: Pending[] = [];
  #isSending = false;

  constructor(redis: Redis | Cluster, options: RedisReplayStoreOptions) {
    this.#redis = redis;
    this.#prefix = `{${options.instance}}`;
    this.#log = options.log;
    redis.defineCommand("pdaasMeet", { lua: meetScript, numberOfKeys: 3 });
    redis.defineCommand("pdaasRaise", { lua: raiseScript, numberOfKeys: 1 });
    redis.on("ready", () => {
      for (const listener of this.#listeners) listener();
    });
  }

  /**
   * Waits for the connection, and makes sure that Redis forgets nothing too early.
   * @param options.firstEver no nonce was ever kept for this database, so an empty store has lost none
   * @throws Error naming the setting to change
   */
  async initialize(options: { firstEver: boolean }): Promise<void> {
    await this.#connected();
    await this.#refuseEviction();
    await this.#meet(options.firstEver ? "1" : "0");
  }

  admit(claim: NonceClaim): Promise<NonceVerdict> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ claim, resolve, reject });
      if (this.#pending.length === 1 && !this.#isSending) setImmediate(() => this.#flush());
    });
  }

  async publishEpoch(organizationId: string, epoch: number): Promise<void> {
    const key = `${this.#prefix}e${organizationId}`;
    await this.#call("pdaasRaise", [key, epoch]).catch((error) => {
      throw replayStoreUnavailable(error);
    });
  }

  async check(): Promise<void> {
    // A write: a Redis whose memory is full still answers reads.
    await this.#redis.set(`${this.#prefix}check`, "", "PX", 1_000);
  }

  onReconnect(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }

  async #flush(): Promise<void> {
    const batch = this.#pending.slice(0, maxBatch);
    this.#pending = this.#pending.slice(maxBatch);
    this.#isSending = true;
    try {
      await this.#send(batch);
    } catch (error) {
      // Those who wait behind would only be refused later.
      for (const { reject } of [...batch, ...this.#pending]) reject(replayStoreUnavailable(error));
      this.#pending = [];
    }
    this.#isSending = false;
    if (this.#pending.length > 0) void this.#flush();
  }

  async #send(pending: Pending[]): Promise<void> {
    const claims = pending.map(({ claim }) => claim);
    const batch = new RedisBatch(this.#prefix, claims);
    const verdicts = batch.verdicts(await this.#admit(batch.arguments()));
    for (const [i, { resolve }] of pending.entries()) resolve(verdicts[i] as NonceVerdict);
  }

  /**
   * A server process that does not know the script has never run it: whatever it remembers is from
   * another one. Redis keeps scripts in no snapshot and sends them to no replica (since 7.0).
   */
  async #admit(args: (string | number)[]): Promise<(string | number)[]> {
    try {
      return (await this.#redis.evalsha(admitSha, ...(args as [number]))) as (string | number)[];
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
      await this.#meet("0");
      return (await this.#redis.eval(admitScript, ...(args as [number]))) as (string | number)[];
    }
  }

  async #meet(firstEver: "0" | "1"): Promise<void> {
    const keys = ["birth", "server", "page"].map((name) => this.#prefix + name);
    await this.#call("pdaasMeet", [...keys, firstEver]);
  }

  #call(command: string, args: unknown[]): Promise<(string | number)[]> {
    const commands = this.#redis as unknown as Record<
      string,
      (...args: unknown[]) => Promise<(string | number)[]>
    >;
    return (commands[command] as (...args: unknown[]) => Promise<(string | number)[]>)(...args);
  }

  async #connected(): Promise<void> {
    if (this.#redis.status === "ready") return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      reject(new Error("Redis cannot be reached within 5 seconds. Check PDAAS_REDIS_URL."));
    }, 5_000);
    this.#redis.once("ready", resolve);
    await promise.finally(() => clearTimeout(timer));
  }

  async #refuseEviction(): Promise<void> {
    const info = await this.#redis.info("memory").catch(() => undefined);
    if (info === undefined) {
      this.#log("redis: INFO is not permitted; make sure that maxmemory-policy is noeviction");
      return;
    }
    const maxmemory = /^maxmemory:(\d+)/m.exec(info)?.[1];
    const policy = /^maxmemory_policy:([\w-]+)/m.exec(info)?.[1];
    if (Number(maxmemory) === 0 || policy === "noeviction") return;
    throw new Error(
      `Redis evicts keys when its memory is full (maxmemory-policy ${policy}), and an evicted nonce could be used again. Set maxmemory-policy to noeviction.`,
    );
  }
}
