import { sql } from "kysely";
import { usageDays } from "./api-key-uses.ts";
import type { Database } from "./database.ts";
import { rememberMinutes } from "./idempotent-requests.ts";

/** Removes what has no use any more. Nothing that anybody could still ask for is among it. */
export async function removeExpired(db: Database): Promise<void> {
  const before = (minutes: number) => sql<Date>`now() - make_interval(mins => ${minutes})`;
  await db
    .deleteFrom("idempotent_requests")
    .where("create_time", "<", before(rememberMinutes))
    .execute();
  await db.deleteFrom("attempts").where("window_start", "<", before(60)).execute();
  const oldest = sql<string>`(now() at time zone 'utc')::date - ${usageDays}::integer`;
  await db.deleteFrom("api_key_daily_uses").where("date", "<", oldest).execute();
  await db.deleteFrom("api_key_address_uses").where("date", "<", oldest).execute();
  await db.deleteFrom("invitations").where("expire_time", "<", before(60)).execute();
  await db.deleteFrom("sessions").where("expire_time", "<", before(60)).execute();
}
