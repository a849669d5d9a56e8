import { setTimeout as delay } from "node:timers/promises";
import { listPendingEntries, raiseAuditEpoch } from "../store/audit-sequencing.ts";
import type { Connection } from "../store/database.ts";
import type { NoteSigner } from "./note.ts";
import { Partitions } from "./partitions.ts";
import { sequenceBatch } from "./sequence-batch.ts";

const maxBatch = 4_000;
/** What cannot be done at once in time is done in smaller parts. */
const minBatch = 100;
/** How long an entry may wait to be looked for. */
const idleMs = 40;
/** A batch costs much and an entry little: where fewer than `smallBatch` have waited, more are gathered. */
const gatherMs = 250;
const smallBatch = 500;
const retryMs = 500;

export interface SequencerOptions {
  signer: NoteSigner;
  /** Waits for the lead. @returns undefined when the signal has ended the waiting */
  takeLead: (signal: AbortSignal) => Promise<Connection | undefined>;
  onError: (error: unknown) => void;
  /** Told of each new checkpoint, once it is committed. */
  onCheckpoint?: (checkpoint: string) => void;
}

/**
 * Gives events their place in the log. Of all processes one does it: who holds the lock, and has the newest
 * epoch besides, in case it has lost the lock and does not know.
 */
export class Sequencer {
  readonly #options: SequencerOptions;
  readonly #closing = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #batchSize = maxBatch;

  constructor(options: SequencerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Lets go of the lead after what is being sequenced. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  get #isClosing(): boolean {
    return this.#closing.signal.aborted;
  }

  async #run(): Promise<void> {
    while (!this.#isClosing) {
      try {
        const connection = await this.#options.takeLead(this.#closing.signal);
        if (connection !== undefined) await this.#lead(connection);
      } catch (error) {
        this.#options.onError(error);
        this.#batchSize = Math.max(minBatch, Math.floor(this.#batchSize / 4));
        await this.#pause(retryMs);
      }
    }
  }

  async #lead(connection: Connection): Promise<void> {
    try {
      const { db } = connection;
      const { signer, onCheckpoint } = this.#options;
      const epoch = await raiseAuditEpoch(db);
      const partitions = new Partitions(db);
      while (!this.#isClosing) {
        const pending = await listPendingEntries(db, this.#batchSize);
        if (pending.length === 0) {
          await this.#pause(idleMs);
          continue;
        }
        const isAll = pending.length < this.#batchSize;
        await partitions.ensure(pending);
        const checkpoint = await sequenceBatch(db, epoch, signer, pending);
        if (checkpoint !== undefined) onCheckpoint?.(checkpoint);
        this.#batchSize = Math.min(maxBatch, this.#batchSize * 2);
        if (isAll && pending.length < smallBatch) await this.#pause(gatherMs);
      }
    } finally {
      await connection.end().catch(() => {});
    }
  }

  async #pause(milliseconds: number): Promise<void> {
    await delay(milliseconds, undefined, { signal: this.#closing.signal }).catch(() => {});
  }
}
