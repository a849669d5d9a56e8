import { LRUCache } from "lru-cache";
import { AuditOutcome } from "../../gen/pdaas/v1/audit_service_pb.ts";
import { findAccountsOf } from "../store/accounts.ts";
import { insertAuditEvent, insertAuditEvents } from "../store/audit-pending.ts";
import type { Database, Transaction } from "../store/database.ts";
import { BackgroundEvents, type WaitingEvent } from "./background-events.ts";
import { type AuditedCall, toEvent } from "./entry.ts";

/** The only writer of audit events. */
export class AuditLog {
  readonly #background: BackgroundEvents;
  readonly #reported = new LRUCache<string, true>({ max: 10_000, ttl: 3_600_000 });

  constructor(db: Database, onError: (error: unknown) => void) {
    this.#background = new BackgroundEvents((events) => writeEvents(db, events), onError);
  }

  /** Records a change in its own transaction: neither is ever there without the other. */
  async recordChange(tx: Transaction, call: AuditedCall): Promise<void> {
    const result = { outcome: AuditOutcome.OK, reason: "", time: new Date(), count: 1 };
    await insertAuditEvent(tx, toEvent(call, result));
  }

  /**
   * Records a refusal, in the background, with many others at once.
   * @param trueReason what the caller may not have been told
   */
  recordRefusal(call: AuditedCall, trueReason: string): void {
    this.#background.add(call, { outcome: AuditOutcome.REFUSED, reason: trueReason });
  }

  /**
   * Records what an allowlist that only reports would have refused: once an hour of each caller and
   * address, since the calls go on.
   */
  recordReport(call: AuditedCall, reason: string): void {
    const { principal, address, resourceId } = call;
    const what = [principal?.id, principal?.apiKeyId, address, resourceId].join(" ");
    if (this.#reported.has(what)) return;
    this.#reported.set(what, true);
    this.#background.add(call, { outcome: AuditOutcome.REPORTED, reason });
  }

  /** @throws ServiceError AUDIT_UNAVAILABLE while refusals could not be recorded */
  ensureCanRecord(): void {
    this.#background.ensureRoom();
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    await this.#background.close();
  }
}

/** What a refused call was about was not looked at, so its account is found out here: for many at once. */
async function writeEvents(db: Database, events: readonly WaitingEvent[]): Promise<void> {
  const calls = events.map(({ call }) => call);
  const accountOf = await findAccountsOf(
    db,
    calls.filter(({ accountId }) => !accountId),
  );
  await insertAuditEvents(
    db,
    events.map(({ id, call, result }) =>
      toEvent({ ...call, accountId: call.accountId || accountOf(call) }, result, id),
    ),
  );
}
