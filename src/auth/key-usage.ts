import { addKeyUses, type KeyUses } from "../store/api-key-uses.ts";
import type { Database } from "../store/database.ts";
import { networkOrSame } from "./cidr.ts";

/** How much of the uses a crash can lose, in milliseconds. */
const flushMs = 2_000;
/** Addresses of keys written in one transaction. */
const maxBatch = 2_000;
/** While the database cannot be written, uses of more keys than this are not counted. */
const maxKeys = 200_000;
/** Addresses of one key that are told apart between two writes. */
const maxAddresses = 100;

interface Pending {
  readonly apiKeyId: string;
  calls: number;
  /** Of the last one, in Unix milliseconds. */
  time: number;
  address: string;
  userAgent: string;
  rpc: string;
  /** Calls by address; undefined while all came from the same one, as most do. */
  addresses: Map<string, number> | undefined;
}

/** A call whose signature held. */
export interface KeyUse {
  apiKeyId: string;
  address: string;
  userAgent: string;
  rpc: string;
}

/** Counts the uses of keys, and writes them every now and then: a call costs an addition. */
export class KeyUsage {
  readonly #db: Database;
  readonly #onError: (error: unknown) => void;
  readonly #timer: NodeJS.Timeout;
  #pending = new Map<string, Pending>();
  #flushing: Promise<void> = Promise.resolve();

  constructor(db: Database, onError: (error: unknown) => void) {
    this.#db = db;
    this.#onError = onError;
    this.#timer = setInterval(() => void this.flush(), flushMs).unref();
  }

  note({ apiKeyId, address, userAgent, rpc }: KeyUse): void {
    const time = Date.now();
    const known = this.#pending.get(apiKeyId);
    if (known === undefined) {
      if (this.#pending.size >= maxKeys) return;
      const use = { apiKeyId, calls: 1, time, address, userAgent, rpc, addresses: undefined };
      this.#pending.set(apiKeyId, use);
      return;
    }
    countAddress(known, address, 1);
    known.calls++;
    known.time = time;
    known.address = address;
    known.userAgent = userAgent;
    known.rpc = rpc;
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  /** Writes what was counted so far. One at a time: a slow database is not asked for more at once. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#write());
    return this.#flushing;
  }

  async #write(): Promise<void> {
    const uses = [...this.#pending.values()];
    this.#pending = new Map();
    for (let start = 0; start < uses.length; ) {
      const batch = batchFrom(uses, start);
      try {
        await addKeyUses(this.#db, batch.map(byNetwork));
      } catch (error) {
        this.#onError(error);
        for (const use of uses.slice(start)) this.#putBack(use);
        return;
      }
      start += batch.length;
    }
  }

  #putBack(use: Pending): void {
    const newer = this.#pending.get(use.apiKeyId);
    if (newer === undefined) {
      this.#pending.set(use.apiKeyId, use);
      return;
    }
    const total = newer.calls + use.calls;
    for (const [address, calls] of addressesOf(use)) {
      countAddress(newer, address, calls);
      newer.calls += calls;
    }
    // Some may have come from more addresses than are told apart.
    newer.calls = total;
  }
}

function batchFrom(uses: Pending[], start: number): Pending[] {
  let end = start;
  for (let size = 0; end < uses.length && size < maxBatch; end++) {
    size += uses[end]?.addresses?.size ?? 1;
  }
  return uses.slice(start, end);
}

/** Whoever has one address of IPv6 has its whole network, so that is what uses are counted by. */
function byNetwork(use: Pending): KeyUses {
  const addresses = new Map<string, number>();
  for (const [address, calls] of addressesOf(use)) {
    const network = address.includes(":") ? networkOrSame(address) : address;
    addresses.set(network, (addresses.get(network) ?? 0) + calls);
  }
  return { ...use, addresses };
}

function addressesOf(use: Pending): Iterable<[string, number]> {
  return use.addresses ?? [[use.address, use.calls]];
}

/** Counts calls from an address, before they are added to the others. */
function countAddress(use: Pending, address: string, calls: number): void {
  if (use.addresses === undefined && address === use.address) return;
  use.addresses ??= new Map([[use.address, use.calls]]);
  const known = use.addresses.get(address);
  if (known !== undefined) use.addresses.set(address, known + calls);
  else if (use.addresses.size < maxAddresses) use.addresses.set(address, calls);
}
