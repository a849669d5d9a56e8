import { type Insertable, sql } from "kysely";
import type { AuditEventRow } from "./audit-events.ts";
import type { AuditSinkRow, FailedDeliveryRow } from "./audit-sinks.ts";
import type { Database, Queryable, Transaction } from "./database.ts";
import type { Schema } from "./schema.ts";

// One process at a time delivers to a sink: who holds its lease. What it writes of the sink it writes only
// as long as it does.

/** Longer than a delivery may take. */
const leaseSeconds = 60;

/** A sink that is held, and how far its organization's log has come. */
export interface HeldSink extends AuditSinkRow {
  head: number;
  sealed_data_key: Buffer;
}

/**
 * Takes the lease of a sink that has something to be delivered, and that nobody holds.
 * @param leaseId the one who takes it, for this once
 */
export async function takeSink(db: Database, leaseId: string): Promise<HeldSink | undefined> {
  const { rows } = await sql<HeldSink>`
    with due as (
      select sink.id, tree.size as head from audit_sinks as sink
      join audit_trees as tree using (organization_id)
      where sink.enabled and sink.lease_end_time <= now() and (
        (sink.delivered_sequence < tree.size and sink.next_attempt_time <= now())
        or exists (select from audit_failed_deliveries as failed
          where failed.sink_id = sink.id and failed.retry_time is not null))
      order by sink.next_attempt_time limit 1
      for update of sink skip locked
    )
    update audit_sinks as sink
    set lease_id = ${leaseId}, lease_end_time = now() + make_interval(secs => ${leaseSeconds})
    from due, organizations where sink.id = due.id and organizations.id = sink.organization_id
    returning sink.*, due.head, organizations.sealed_data_key`.execute(db);
  return rows[0];
}

/** Lets go of the lease, with what has come of it; nothing is written when it was lost meanwhile. */
export async function releaseSink(
  db: Queryable,
  sink: Pick<AuditSinkRow, "id" | "lease_id">,
  result: Partial<
    Pick<AuditSinkRow, "delivered_sequence" | "attempts" | "last_error" | "next_attempt_time">
  > = {},
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable("audit_sinks")
    .set({ ...result, lease_id: "", lease_end_time: sql`now()` })
    .where("id", "=", sink.id)
    .where("lease_id", "=", sink.lease_id)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** The entries that a sink wants, after one and up to another, in their order. */
export async function wantedEntries(
  db: Queryable,
  sink: Pick<AuditSinkRow, "organization_id" | "outcomes" | "actions">,
  { after, upTo, limit }: { after: number; upTo: number; limit: number },
): Promise<AuditEventRow[]> {
  let query = db
    .selectFrom("audit_entries")
    .selectAll()
    .where("organization_id", "=", sink.organization_id)
    .where("sequence", ">", after)
    .where("sequence", "<=", upTo)
    .orderBy("sequence")
    .limit(limit);
  if (sink.outcomes.length > 0) query = query.where("outcome", "in", sink.outcomes);
  if (sink.actions.length > 0) query = query.where("action", "in", sink.actions);
  return query.execute();
}

/** The first delivery of a sink that somebody has asked to be tried once more. */
export async function findRetry(
  db: Queryable,
  sinkId: string,
): Promise<FailedDeliveryRow | undefined> {
  return db
    .selectFrom("audit_failed_deliveries")
    .selectAll()
    .where("sink_id", "=", sinkId)
    .where("retry_time", "is not", null)
    .orderBy("id")
    .limit(1)
    .executeTakeFirst();
}

export async function insertFailedDelivery(
  tx: Transaction,
  row: Insertable<Schema["audit_failed_deliveries"]>,
): Promise<void> {
  await tx.insertInto("audit_failed_deliveries").values(row).execute();
}

export async function deleteFailedDelivery(tx: Transaction, id: string): Promise<void> {
  await tx.deleteFrom("audit_failed_deliveries").where("id", "=", id).execute();
}

/** A part of it was delivered. */
export async function shortenFailedDelivery(
  tx: Transaction,
  id: string,
  firstSequence: number,
): Promise<void> {
  await tx
    .updateTable("audit_failed_deliveries")
    .set({ first_sequence: firstSequence })
    .where("id", "=", id)
    .execute();
}

/** The attempt that was asked for was in vain. */
export async function noteFailedRetry(tx: Transaction, id: string, error: string): Promise<void> {
  await tx
    .updateTable("audit_failed_deliveries")
    .set({
      attempts: sql`attempts + 1`,
      last_error: error,
      fail_time: sql`now()`,
      retry_time: null,
    })
    .where("id", "=", id)
    .execute();
}
