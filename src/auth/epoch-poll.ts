import type { Database } from "../store/database.ts";
import { recentAccessEpochs } from "../store/organizations.ts";
import type { Credentials } from "./credentials.ts";

const intervalMs = 1_000;
/** A poll that takes longer, as on a connection that has gone silent, is followed by another one. */
const timeoutMs = 1_000;
/** An epoch raised in a transaction shows when that commits, at most so much later. */
const overlapSeconds = 30;

/**
 * Asks the database once a second whose access has changed, for when the replay store could not be
 * told: whoever raised an epoch may have been cut off from it. What is cached is then out of date
 * for a second and a query at most.
 */
export class EpochPoll {
  readonly #db: Database;
  readonly #credentials: Credentials;
  readonly #onError: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #lastSuccess = performance.now();
  #closed = false;

  constructor(db: Database, credentials: Credentials, onError: (error: unknown) => void) {
    this.#db = db;
    this.#credentials = credentials;
    this.#onError = onError;
  }

  start(): void {
    this.#timer = setTimeout(async () => {
      await this.#poll();
      if (!this.#closed) this.start();
    }, intervalMs).unref();
  }

  stop(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #poll(): Promise<void> {
    const began = performance.now();
    try {
      const secondsBack = (began - this.#lastSuccess) / 1_000 + overlapSeconds;
      const epochs = await inTime(recentAccessEpochs(this.#db, secondsBack));
      for (const { id, access_epoch } of epochs) {
        this.#credentials.noteEpoch(id, access_epoch);
      }
      this.#lastSuccess = began;
    } catch (error) {
      this.#onError(error);
    }
  }
}

/** What comes of work that is given up on is of no interest any more. */
async function inTime<T>(work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error("the database did not answer in time")),
    timeoutMs,
  );
  return Promise.race([work, promise]).finally(() => clearTimeout(timer));
}
