import { addKeyUses, type KeyUses } from "../store/api-key-uses.ts";
import type { Database } from "../store/database.ts";
import { networkOrSame } from "./cidr.ts";

/** How much of the uses a crash can lose, in milliseconds. */
const flushMs = 2_000;
/** Addresses of keys written in one transaction. */
const maxBatch = 2_000;
/** While the database cannot be written, uses of more keys than this are not counted. */
const maxKeys = 200_000;
/** Uses that are written are used again, up to so many: to collect them would cost more than to count them. */
const maxWritten = 20_000;
/** Addresses of one key that are told apart between two writes. */
const maxAddresses = 100;

interface Pending {
  apiKeyId: string;
  calls: number;
  /** Of the last one, in Unix milliseconds. */
  time: number;
  address: string;
  userAgent: string;
  rpc: string;
  /** Calls by address; undefined while all came from the same one, as most do. */
  addresses: Map<string, number> | undefined;
}

const noUse: Pending = {
  apiKeyId: "",
  calls: 0,
  time: 0,
  address: "",
  userAgent: "",
  rpc: "",
  addresses: undefined,
};

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
  readonly #written: Pending[] = [];
  #flushing: Promise<void> = Promise.resolve();

  constructor(db: Database, onError: (error: unknown) => void) {
    this.#db = db;
    this.#onError = onError;
    this.#timer = setInterval(() => void this.flush(), flushMs).unref();
  }

  note({ apiKeyId, address, userAgent, rpc }: KeyUse): void {
    const time = Date.now();
    let use = this.#pending.get(apiKeyId);
    if (use === undefined) {
      if (this.#pending.size >= maxKeys) return;
      use = this.#written.pop() ?? { ...noUse };
      use.apiKeyId = apiKeyId;
      use.calls = 0;
      use.address = address;
      this.#pending.set(apiKeyId, use);
    }
    countAddress(use, address, 1);
    use.calls++;
    use.time = time;
    use.address = address;
    use.userAgent = userAgent;
    use.rpc = rpc;
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
        await addKeyUses(this.#db, batch.map(toKeyUses));
      } catch (error) {
        this.#onError(error);
        for (const use of uses.slice(start)) this.#putBack(use);
        return;
      }
      start += batch.length;
      if (this.#written.length < maxWritten) for (const use of batch) this.#keep(use);
    }
  }

  #keep(use: Pending): void {
    if (use.addresses !== undefined) use.addresses = undefined;
    this.#written.push(use);
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

function toKeyUses(use: Pending): KeyUses {
  const { apiKeyId, calls, time, address, userAgent, rpc } = use;
  return { apiKeyId, calls, time, address, userAgent, rpc, addresses: networksOf(use) };
}

/** Whoever has one address of IPv6 has its whole network, so that is what uses are counted by. */
function networksOf({ address, calls, addresses }: Pending): [network: string, calls: number][] {
  if (addresses === undefined) return [[networkOf(address), calls]];
  const networks = new Map<string, number>();
  for (const [from, some] of addresses) {
    const network = networkOf(from);
    networks.set(network, (networks.get(network) ?? 0) + some);
  }
  return [...networks];
}

function networkOf(address: string): string {
  return address.includes(":") ? networkOrSame(address) : address;
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
