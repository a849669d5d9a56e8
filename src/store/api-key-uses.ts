import { type Expression, sql } from "kysely";
import { withoutSecrets } from "../ids.ts";
import type { Database, Queryable } from "./database.ts";

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
  /** Of the last one, in Unix milliseconds. */
  time: number;
  address: string;
  userAgent: string;
  rpc: string;
  /** Calls by address. */
  addresses: readonly (readonly [address: string, calls: number])[];
}

/**
 * Adds uses to what is stored, all or none. In order of their keys, so that two processes do not wait
 * for each other in a circle. Keys that were removed meanwhile are left out.
 *
 * All uses are one parameter, in JSON: as arrays of each column, their many texts would cost more to
 * write down than the calls that they count.
 */
export async function addKeyUses(db: Database, uses: KeyUses[]): Promise<void> {
  const rows = uses.map((use) => [
    use.apiKeyId,
    use.time,
    use.calls,
    use.address,
    withoutSecrets(use.userAgent.replaceAll("\0", "")),
    use.rpc,
    use.addresses,
  ]);
  await sql`
    with used as materialized (
      select api_keys.id, to_timestamp((use ->> 1)::numeric / 1000) as time,
        (use ->> 2)::bigint as calls, use ->> 3 as address, use ->> 4 as user_agent, use ->> 5 as rpc,
        use -> 6 as addresses
      from json_array_elements(${JSON.stringify(rows)}::json) as use
      join api_keys on api_keys.id = use ->> 0
      order by api_keys.id
    ), last_uses as (
      insert into api_key_uses (api_key_id, time, address, user_agent, rpc)
      select id, time, address, user_agent, rpc from used
      on conflict (api_key_id) do update set time = excluded.time, address = excluded.address,
        user_agent = excluded.user_agent, rpc = excluded.rpc
      where api_key_uses.time < excluded.time
    ), daily_uses as (
      insert into api_key_daily_uses (api_key_id, date, calls)
      select id, (time at time zone 'utc')::date, calls from used
      on conflict (api_key_id, date)
        do update set calls = api_key_daily_uses.calls + excluded.calls
    )
    insert into api_key_address_uses (api_key_id, address, date, calls, last_time)
    select id, use ->> 0, (time at time zone 'utc')::date, (use ->> 1)::bigint, time
    from used cross join json_array_elements(used.addresses) as use
    order by id, use ->> 0
    on conflict (api_key_id, address, date)
      do update set calls = api_key_address_uses.calls + excluded.calls,
        last_time = greatest(api_key_address_uses.last_time, excluded.last_time)`.execute(db);
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
