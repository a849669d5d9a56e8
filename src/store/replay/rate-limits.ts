import type { RateLimit } from "./replay-store.ts";

/** Microseconds. */
const sweepEvery = 60_000_000;

/** In whole microseconds: fractions would add up, and a call more or less than `burst` be admitted at once. */
export interface Pace {
  /** Between two calls on average. */
  interval: number;
  /** By how much a call may be early. */
  early: number;
}

export function paceOf({ perSecond, burst }: RateLimit): Pace {
  const interval = Math.max(1, Math.round(1_000_000 / perSecond));
  return { interval, early: (burst - 1) * interval };
}

/** The buckets of one process. The Redis store's script keeps its own by the same rule (GCRA). */
export class RateLimitBuckets {
  /** When each bucket is full again, in microseconds. One that is full is as good as none. */
  readonly #fullAt = new Map<string, number>();
  #sweepAt = 0;

  get size(): number {
    return this.#fullAt.size;
  }

  /**
   * Takes a call from each limit's bucket, or from none.
   * @param now microseconds
   * @returns milliseconds until all have room; 0 when they had
   */
  take(limits: readonly RateLimit[], now: number): number {
    if (limits.length === 0) return 0;
    this.#forgetFull(now);
    const buckets = limits.map((limit) => this.#read(limit, now));
    const wait = Math.max(...buckets.map(({ full, early }) => full - early - now));
    if (wait > 0) return Math.ceil(wait / 1_000);
    for (const { id, full, interval } of buckets) this.#fullAt.set(id, full + interval);
    return 0;
  }

  #read(limit: RateLimit, now: number): Pace & { id: string; full: number } {
    const { id } = limit;
    const pace = paceOf(limit);
    const empty = now + pace.early + pace.interval;
    // Never emptier than empty, as it could seem once the limit was changed.
    if ((this.#fullAt.get(id) ?? 0) > empty) this.#fullAt.set(id, empty);
    return { id, ...pace, full: Math.max(now, this.#fullAt.get(id) ?? 0) };
  }

  #forgetFull(now: number): void {
    if (now < this.#sweepAt) return;
    this.#sweepAt = now + sweepEvery;
    for (const [id, full] of this.#fullAt) if (full <= now) this.#fullAt.delete(id);
  }
}
