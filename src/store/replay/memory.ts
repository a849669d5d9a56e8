import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { RateLimitBuckets } from "./rate-limits.ts";
import {
  type NonceClaim,
  type NonceVerdict,
  nonceMemorySeconds,
  type ReplayStore,
  replayStoreUnavailable,
} from "./replay-store.ts";

const bucketSeconds = 60;
const maxNonces = 2_000_000;

export interface MemoryReplayStoreOptions {
  /** Where the nonces outlive a graceful stop. */
  file: string;
  /** No nonce was ever kept for this database, so an empty store has lost none. */
  firstEver: boolean;
  /** Unix seconds. */
  now?: () => number;
  maxNonces?: number;
}

interface Snapshot {
  birth: number;
  /** Bucket's number, and its nonces. */
  buckets: [number, string[]][];
}

/** Opens a store in this process, with what the last one has left. */
export async function openMemoryReplayStore(
  options: MemoryReplayStoreOptions,
): Promise<ReplayStore> {
  const now = options.now ?? steadyClock();
  const left = await takeSnapshot(options.file);
  const birth = options.firstEver ? 0 : Math.ceil(now());
  return new MemoryReplayStore(options, now, left ?? { birth, buckets: [] });
}

/** Unix seconds that pass as time does, however the system's clock is set meanwhile. */
function steadyClock(): () => number {
  const offset = Date.now() - performance.now();
  return () => (offset + performance.now()) / 1000;
}

/** Nonces in this process, for one process without Redis. */
class MemoryReplayStore implements ReplayStore {
  readonly #file: string;
  readonly #now: () => number;
  readonly #maxNonces: number;
  readonly #birth: number;
  /** By the minute of their claim, oldest first: forgetting is dropping a set. */
  readonly #buckets: Map<number, Set<string>>;
  readonly #epochs = new Map<string, number>();
  readonly #limits = new RateLimitBuckets();
  #size: number;

  constructor(options: MemoryReplayStoreOptions, now: () => number, left: Snapshot) {
    this.#file = options.file;
    this.#now = now;
    this.#maxNonces = options.maxNonces ?? maxNonces;
    this.#birth = left.birth;
    this.#buckets = new Map(left.buckets.map(([bucket, nonces]) => [bucket, new Set(nonces)]));
    this.#size = left.buckets.reduce((sum, [, nonces]) => sum + nonces.length, 0);
  }

  async admit({ organizationId, keyId, nonce, limits }: NonceClaim): Promise<NonceVerdict> {
    const now = this.#now();
    const bucket = Math.floor(now / bucketSeconds);
    this.#forget(bucket);
    const key = `${keyId}:${nonce}`;
    const fresh = !this.#buckets.values().some((nonces) => nonces.has(key));
    if (fresh) this.#remember(bucket, key);
    const retryAfterMs = fresh ? this.#limits.take(limits, Math.round(now * 1_000_000)) : 0;
    return { fresh, epoch: this.#epochs.get(organizationId), birth: this.#birth, retryAfterMs };
  }

  async publishEpoch(organizationId: string, epoch: number): Promise<void> {
    const known = this.#epochs.get(organizationId) ?? 0;
    this.#epochs.set(organizationId, Math.max(known, epoch));
  }

  async check(): Promise<void> {
    this.#forget(Math.floor(this.#now() / bucketSeconds));
    if (this.#size >= this.#maxNonces) throw replayStoreUnavailable("the store is full");
  }

  /** There is no connection to lose. */
  onReconnect(): void {}

  async close(): Promise<void> {
    const buckets = [...this.#buckets].map(([bucket, nonces]): [number, string[]] => [
      bucket,
      [...nonces],
    ]);
    const snapshot: Snapshot = { birth: this.#birth, buckets };
    const draft = `${this.#file}.draft`;
    await writeFile(draft, JSON.stringify(snapshot), { mode: 0o600, flush: true });
    await rename(draft, this.#file);
  }

  #remember(bucket: number, key: string): void {
    if (this.#size >= this.#maxNonces) throw replayStoreUnavailable("the store is full");
    const nonces = this.#buckets.get(bucket) ?? new Set();
    this.#buckets.set(bucket, nonces.add(key));
    this.#size++;
  }

  #forget(current: number): void {
    const oldest = current - Math.ceil(nonceMemorySeconds / bucketSeconds) - 1;
    for (const [bucket, nonces] of this.#buckets) {
      if (bucket >= oldest) return;
      this.#buckets.delete(bucket);
      this.#size -= nonces.size;
    }
  }
}

/** The snapshot is of one stop: it is gone before the first claim, so a crash cannot be taken for a stop. */
async function takeSnapshot(file: string): Promise<Snapshot | undefined> {
  try {
    const text = await readFile(file, "utf8");
    await rm(file);
    const snapshot = JSON.parse(text) as Snapshot;
    return Number.isFinite(snapshot.birth) && Array.isArray(snapshot.buckets)
      ? snapshot
      : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT" || error instanceof SyntaxError) {
      return undefined;
    }
    throw error;
  }
}
