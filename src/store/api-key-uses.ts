import { type Expression, sql } from "kysely";
import { withoutSecrets } from "../ids.ts";
import type { Database, Queryable, Transaction } from "./database.ts";

/** How long daily counts and addresses are kept. */
export const usageDays = 90;

/** The last use of a key, as `lastUse` selects it. */
export interface UseJson {
  /** Unix milliseconds. */
  time: number;
  address: string;
  user_agent: string;
  rpc: string;
}

/** Selects the last use of the key `id`; null while there was none. */
export function lastUse(id: Expression<unknown>) {
  return sql<UseJson | null>`(
    select json_build_object('time', (extract(epoch from time) * 1000)::bigint,
      'address', address, 'user_agent', user_agent, 'rpc', rpc)
    from api_key_uses where api_key_id = ${id})`;
}

/** The uses of one key since they were last written. */
export interface KeyUses {
  apiKeyId: string;
  calls: number;
  /** Of the last one. */
  time: Date;
  address: string;
  userAgent: string;
  rpc: string;
  /** Calls by address. */
  addresses: ReadonlyMap<string, number>;
}

/**
 * Adds uses to what is stored. In order of their keys, so that two processes do not wait for each
 * other in a circle. Keys that were removed meanwhile are left out.
 */
export async function addKeyUses(db: Database, uses: KeyUses[]): Promise<void> {
  const ordered = uses.toSorted((a, b) => (a.apiKeyId < b.apiKeyId ? -1 : 1));
  await db.transaction().execute(async (tx) => {
    await addLastUses(tx, ordered);
    await addDailyUses(tx, ordered);
    await addAddressUses(tx, ordered);
  });
}

async function addLastUses(tx: Transaction, uses: KeyUses[]): Promise<void> {
  const column = <K extends keyof KeyUses>(name: K) => uses.map((use) => use[name]);
  const userAgents = uses.map((use) => withoutSecrets(use.userAgent.replaceAll("\0", "")));
  await sql`
    insert into api_key_uses (api_key_id, time, address, user_agent, rpc)
    select new.* from unnest(${column("apiKeyId")}::text[], ${column("time")}::timestamptz[],
      ${column("address")}::text[], ${userAgents}::text[], ${column("rpc")}::text[])
      as new (api_key_id, time, address, user_agent, rpc)
    join api_keys on api_keys.id = new.api_key_id
    order by new.api_key_id
    on conflict (api_key_id) do update set time = excluded.time, address = excluded.address,
      user_agent = excluded.user_agent, rpc = excluded.rpc
    where api_key_uses.time < excluded.time`.execute(tx);
}

async function addDailyUses(tx: Transaction, uses: KeyUses[]): Promise<void> {
  await sql`
    insert into api_key_daily_uses (api_key_id, date, calls)
    select new.api_key_id, new.date, new.calls
    from unnest(${uses.map((use) => use.apiKeyId)}::text[], ${uses.map(dateOf)}::date[],
      ${uses.map((use) => use.calls)}::bigint[]) as new (api_key_id, date, calls)
    join api_keys on api_keys.id = new.api_key_id
    order by new.api_key_id
    on conflict (api_key_id, date)
      do update set calls = api_key_daily_uses.calls + excluded.calls`.execute(tx);
}

async function addAddressUses(tx: Transaction, uses: KeyUses[]): Promise<void> {
  const rows = uses.flatMap((use) =>
    [...use.addresses]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([address, calls]) => ({ use, address, calls })),
  );
  await sql`
    insert into api_key_address_uses (api_key_id, address, date, calls, last_time)
    select new.* from unnest(${rows.map(({ use }) => use.apiKeyId)}::text[],
      ${rows.map(({ address }) => address)}::text[], ${rows.map(({ use }) => dateOf(use))}::date[],
      ${rows.map(({ calls }) => calls)}::bigint[],
      ${rows.map(({ use }) => use.time)}::timestamptz[])
      as new (api_key_id, address, date, calls, last_time)
    join api_keys on api_keys.id = new.api_key_id
    order by new.api_key_id, new.address
    on conflict (api_key_id, address, date)
      do update set calls = api_key_address_uses.calls + excluded.calls,
        last_time = greatest(api_key_address_uses.last_time, excluded.last_time)`.execute(tx);
}

/** The day in UTC. */
function dateOf({ time }: KeyUses): string {
  return time.toISOString().slice(0, 10);
}

/** Newest first; `date` as `2026-11-23`. */
export async function listDailyUses(
  db: Queryable,
  apiKeyId: string,
  days: number,
): Promise<{ date: string; calls: number }[]> {
  return db
    .selectFrom("api_key_daily_uses")
    .select([sql<string>`to_char(date, 'YYYY-MM-DD')`.as("date"), "calls"])
    .where("api_key_id", "=", apiKeyId)
    .where("date", ">", sql<string>`(now() at time zone 'utc')::date - ${days}::integer`)
    .orderBy("api_key_daily_uses.date", "desc")
    .execute();
}

export interface AddressUse {
  address: string;
  calls: number;
  last_time: Date;
}

/** The latest first. */
export async function listAddressUses(
  db: Queryable,
  apiKeyId: string,
  limit: number,
): Promise<AddressUse[]> {
  return addressUses(db)
    .where("api_key_id", "=", apiKeyId)
    .orderBy("last_time", "desc")
    .limit(limit)
    .execute();
}

/** Whose addresses are asked for: those of all keys that match. */
export type UsersOfAddresses =
  | { organizationId: string }
  | { organizationId: string; accountId: string }
  | { organizationId: string; serviceAccountId: string }
  | { organizationId: string; apiKeyId: string };

/** The most used first. */
export async function listCommonAddresses(
  db: Queryable,
  users: UsersOfAddresses,
  limit: number,
): Promise<AddressUse[]> {
  let query = addressUses(db)
    .innerJoin("api_keys", "api_keys.id", "api_key_address_uses.api_key_id")
    .innerJoin("service_accounts", "service_accounts.id", "api_keys.service_account_id")
    .where("api_keys.organization_id", "=", users.organizationId)
    .orderBy("calls", "desc")
    .limit(limit);
  if ("accountId" in users) {
    query = query.where("service_accounts.account_id", "=", users.accountId);
  } else if ("serviceAccountId" in users) {
    query = query.where("service_accounts.id", "=", users.serviceAccountId);
  } else if ("apiKeyId" in users) {
    query = query.where("api_keys.id", "=", users.apiKeyId);
  }
  return query.execute();
}

function addressUses(db: Queryable) {
  return db
    .selectFrom("api_key_address_uses")
    .select([
      "address",
      sql<number>`sum(calls)::bigint`.as("calls"),
      sql<Date>`max(last_time)`.as("last_time"),
    ])
    .where("address", "<>", "")
    .groupBy("address");
}
