import {
  ensureAuditPartition,
  type Month,
  monthAfter,
  monthOf,
} from "../store/audit-partitions.ts";
import type { Database } from "../store/database.ts";

/** The months that the log has room for. */
export class Partitions {
  readonly #db: Database;
  readonly #known = new Set<Month>();

  constructor(db: Database) {
    this.#db = db;
  }

  /** Makes room for these events, and for next month's ahead of its time. */
  async ensure(events: readonly { time: Date }[]): Promise<void> {
    const next = monthAfter(monthOf(new Date()), 1);
    for (const month of new Set([...events.map(({ time }) => monthOf(time)), next])) {
      if (this.#known.has(month)) continue;
      await ensureAuditPartition(this.#db, month);
      this.#known.add(month);
    }
  }
}
