import { hash } from "node:crypto";
import type { Cluster, Redis } from "ioredis";
import {
  type NonceClaim,
  type NonceVerdict,
  nonceMemorySeconds,
  type ReplayStore,
  replayStoreUnavailable,
} from "./replay-store.ts";

/**
 * KEYS: the birth, then an epoch for each organization, then a nonce for each claim.
 * ARGV: how many epochs, and the nonces' time to live in milliseconds.
 * Answers the birth, the epochs ("" where unknown), and 1 for each fresh nonce.
 * A missing birth means that the store is empty: it is born now, before anything is admitted.
 */
const admitScript = `
local birth = redis.call('GET', KEYS[1])
if not birth then
  birth = redis.call('TIME')[1]
  redis.call('SET', KEYS[1], birth)
end
local answer = {birth}
local epochs = tonumber(ARGV[1])
for i = 2, epochs + 1 do
  answer[i] = redis.call('GET', KEYS[i]) or ''
end
for i = epochs + 2, #KEYS do
  local set = redis.call('SET', KEYS[i], '', 'NX', 'PX', ARGV[2])
  answer[i] = set and 1 or 0
end
return answer`;

/**
 * Run before the first claim on a server process. KEYS: the birth and the server. ARGV: "1" where no
 * nonce was ever kept. A process that is not the one that the store has known, such as one that was
 * restarted from a snapshot or a replica that took over, may lack the newest nonces: the store is born
 * again with it.
 */
const meetScript = `
local process = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if redis.call('GET', KEYS[2]) == process then return 0 end
local birth = ARGV[1] == '1' and '0' or redis.call('TIME')[1]
redis.call('SET', KEYS[1], birth)
redis.call('SET', KEYS[2], process)
return 1`;

/** Raises KEYS[1] to ARGV[1]; never lowers it. */
const raiseScript = `
local current = tonumber(redis.call('GET', KEYS[1]) or '-1')
if tonumber(ARGV[1]) > current then redis.call('SET', KEYS[1], ARGV[1]) end
return 1`;

const admitSha = hash("sha1", admitScript);

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
  readonly #timeToLive = String(nonceMemorySeconds * 1_000);
  readonly #listeners: (() => void)[] = [];
  #pending: Pending[] = [];
  #isSending = false;

  constructor(redis: Redis | Cluster, options: RedisReplayStoreOptions) {
    this.#redis = redis;
    this.#prefix = `{${options.instance}}`;
    this.#log = options.log;
    redis.defineCommand("pdaasMeet", { lua: meetScript, numberOfKeys: 2 });
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
    await this.#call("pdaasRaise", [this.#epochKey(organizationId), epoch]).catch((error) => {
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

  async #send(batch: Pending[]): Promise<void> {
    const organizations = new Map<string, number>();
    for (const { claim } of batch) {
      if (!organizations.has(claim.organizationId)) {
        organizations.set(claim.organizationId, organizations.size);
      }
    }
    const keys = [`${this.#prefix}birth`];
    for (const id of organizations.keys()) keys.push(this.#epochKey(id));
    for (const { claim } of batch) keys.push(this.#nonceKey(claim));
    const argv = [organizations.size, this.#timeToLive];
    const answer = await this.#admit([keys.length, ...keys, ...argv]);
    const birth = Number(answer[0]);
    const firstNonce = 1 + organizations.size;
    for (const [i, { claim, resolve }] of batch.entries()) {
      const epoch = answer[1 + (organizations.get(claim.organizationId) as number)];
      resolve({
        fresh: answer[firstNonce + i] === 1,
        epoch: epoch === "" ? undefined : Number(epoch),
        birth,
      });
    }
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
    await this.#call("pdaasMeet", [`${this.#prefix}birth`, `${this.#prefix}server`, firstEver]);
  }

  #call(command: string, args: unknown[]): Promise<(string | number)[]> {
    const commands = this.#redis as unknown as Record<
      string,
      (...args: unknown[]) => Promise<(string | number)[]>
    >;
    return (commands[command] as (...args: unknown[]) => Promise<(string | number)[]>)(...args);
  }

  #epochKey(organizationId: string): string {
    return `${this.#prefix}e${organizationId}`;
  }

  /** 128 bits stand for the key and the nonce: less memory, and no two alike by chance. */
  #nonceKey({ keyId, nonce }: NonceClaim): string {
    const digest = hash("sha256", `${keyId}:${nonce}`, "base64url").slice(0, 22);
    return `${this.#prefix}n${digest}`;
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
