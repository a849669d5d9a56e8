import { sql } from "kysely";
import { eventColumnList } from "./audit-pending.ts";
import type { Database, Queryable, Transaction } from "./database.ts";

// What a sequencer reads and writes. All of it is in one transaction, which the fence opens.

/** A tree, and all that it takes to append to it. */
export interface TreeState {
  size: number;
  /** See AuditTreeTable. */
  hashes: Buffer;
}

export interface PendingEntry {
  position: number;
  id: string;
  organization_id: string;
  time: Date;
  entry: Buffer;
}

/** Makes every earlier sequencer a stranger. @returns the epoch of the new one */
export async function raiseAuditEpoch(db: Database): Promise<number> {
  const row = await db
    .updateTable("audit_log")
    .set({ epoch: sql`epoch + 1` })
    .returning("epoch")
    .executeTakeFirstOrThrow();
  return row.epoch;
}

/**
 * The instance's tree, held until the transaction ends.
 * @returns undefined when a later sequencer has taken over
 */
export async function holdAuditLog(tx: Transaction, epoch: number): Promise<TreeState | undefined> {
  return tx
    .selectFrom("audit_log")
    .select(["size", "hashes"])
    .where("epoch", "=", epoch)
    .forUpdate()
    .executeTakeFirst();
}

/** Writes the instance's tree. @returns whether the epoch was still the sequencer's own */
export async function updateAuditLog(
  tx: Transaction,
  epoch: number,
  log: TreeState & { checkpoint: string },
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable("audit_log")
    .set(log)
    .where("epoch", "=", epoch)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** The entries of a batch are held in memory at once. */
const maxBatchBytes = 16 * 1024 * 1024;

/**
 * What waits, in the order of arrival, as far as it is not too much at once. There is no cursor: a
 * transaction that commits late may have an earlier position than what has its number already.
 */
export async function listPendingEntries(db: Queryable, limit: number): Promise<PendingEntry[]> {
  const { rows } = await sql<PendingEntry>`
    select position, id, organization_id, time, entry
    from (
      select *, sum(octet_length(entry)) over (order by position) - octet_length(entry) as bytes_before
      from (select * from audit_pending order by position limit ${limit}) as first
    ) as pending
    where bytes_before < ${maxBatchBytes}
    order by position`.execute(db);
  return rows;
}

/** Of these, the ones that have a number already: they were written twice, as an answer was lost. */
export async function findSequenced(
  tx: Transaction,
  pending: readonly PendingEntry[],
): Promise<Set<string>> {
  const ids = pending.map(({ id }) => id);
  const times = pending.map(({ time }) => time);
  const { rows } = await sql<{ id: string }>`
    select entry.id from unnest(${ids}::text[], ${times}::timestamptz[]) as pending (id, time)
    join audit_entries as entry on entry.id = pending.id and entry.time = pending.time`.execute(tx);
  return new Set(rows.map(({ id }) => id));
}

export async function deletePendingEntries(tx: Transaction, positions: number[]): Promise<void> {
  if (positions.length === 0) return;
  await sql`delete from audit_pending where position = any(${positions}::bigint[])`.execute(tx);
}

/** Moves entries from where they wait into the log. @returns how many there were */
export async function numberEntries(
  tx: Transaction,
  numbered: readonly { position: number; sequence: number }[],
): Promise<number> {
  const positions = numbered.map(({ position }) => position);
  const sequences = numbered.map(({ sequence }) => sequence);
  const { numAffectedRows } = await sql`
    with numbered as (
      select * from unnest(${positions}::bigint[], ${sequences}::bigint[]) as n (position, sequence)
    ), taken as (
      delete from audit_pending as p using numbered
      where p.position = numbered.position
      returning p.*, numbered.sequence
    )
    insert into audit_entries (sequence, ${eventColumnList})
    select sequence, ${eventColumnList} from taken`.execute(tx);
  return Number(numAffectedRows);
}

/** Wakes those who follow the logs of these organizations, once the transaction is committed. */
export async function notifyFollowers(tx: Transaction, organizationIds: string[]): Promise<void> {
  await sql`
    select pg_notify('pdaas_audit', id) from unnest(${organizationIds}::text[]) as id`.execute(tx);
}
