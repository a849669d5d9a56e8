import { type Insertable, type Selectable, sql, type Updateable } from "kysely";
import type { Queryable, Transaction } from "./database.ts";
import type { Schema } from "./schema.ts";

export type AuditSinkRow = Selectable<Schema["audit_sinks"]>;
export type FailedDeliveryRow = Selectable<Schema["audit_failed_deliveries"]>;

export async function insertAuditSink(
  tx: Transaction,
  row: Insertable<Schema["audit_sinks"]>,
): Promise<AuditSinkRow> {
  return tx.insertInto("audit_sinks").values(row).returningAll().executeTakeFirstOrThrow();
}

export async function findAuditSink(
  db: Queryable,
  organizationId: string,
  id: string,
): Promise<AuditSinkRow | undefined> {
  return db
    .selectFrom("audit_sinks")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .executeTakeFirst();
}

/** In order of identifier, which is the order of creation, those after `after`. */
export async function listAuditSinks(
  db: Queryable,
  organizationId: string,
  page: { after: string; limit: number },
): Promise<AuditSinkRow[]> {
  return db
    .selectFrom("audit_sinks")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("id", ">", page.after)
    .orderBy("id")
    .limit(page.limit)
    .execute();
}

export async function countAuditSinks(db: Queryable, organizationId: string): Promise<number> {
  const row = await db
    .selectFrom("audit_sinks")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("organization_id", "=", organizationId)
    .executeTakeFirstOrThrow();
  return row.count;
}

/** What was tried in vain is tried at once: the change may be what it takes. */
export async function updateAuditSink(
  tx: Transaction,
  organizationId: string,
  id: string,
  changes: Updateable<Schema["audit_sinks"]>,
): Promise<AuditSinkRow | undefined> {
  return tx
    .updateTable("audit_sinks")
    .set({
      ...changes,
      attempts: 0,
      last_error: "",
      next_attempt_time: sql`now()`,
      update_time: sql`now()`,
    })
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .returningAll()
    .executeTakeFirst();
}

export async function deleteAuditSink(
  tx: Transaction,
  organizationId: string,
  id: string,
): Promise<AuditSinkRow | undefined> {
  return tx
    .deleteFrom("audit_sinks")
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .returningAll()
    .executeTakeFirst();
}

/** Oldest first, those after `after`. */
export async function listFailedDeliveries(
  db: Queryable,
  organizationId: string,
  sinkId: string,
  page: { after: string; limit: number },
): Promise<FailedDeliveryRow[]> {
  return db
    .selectFrom("audit_failed_deliveries")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("sink_id", "=", sinkId)
    .where("id", ">", page.after)
    .orderBy("id")
    .limit(page.limit)
    .execute();
}

/** Asks for one more attempt. */
export async function requestRetry(
  tx: Transaction,
  organizationId: string,
  id: string,
): Promise<FailedDeliveryRow | undefined> {
  return tx
    .updateTable("audit_failed_deliveries")
    .set({ retry_time: sql`now()` })
    .where("organization_id", "=", organizationId)
    .where("id", "=", id)
    .returningAll()
    .executeTakeFirst();
}
