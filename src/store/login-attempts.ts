import { sql } from "kysely";
import type { Database, Queryable } from "./database.ts";

/**
 * Counts an attempt before it is made, so that attempts made at once are all counted.
 * @returns how many there were in this window, this one included, and when the window ends
 */
export async function countLoginAttempt(
  db: Database,
  subject: string,
  windowSeconds: number,
): Promise<{ attempts: number; secondsLeft: number }> {
  const windowOver = sql`login_attempts.window_start < now() - make_interval(secs => ${windowSeconds})`;
  const row = await db
    .insertInto("login_attempts")
    .values({ subject, attempts: 1, window_start: sql<Date>`now()` })
    .onConflict((conflict) =>
      conflict.column("subject").doUpdateSet({
        attempts: sql<number>`case when ${windowOver} then 1 else login_attempts.attempts + 1 end`,
        window_start: sql<Date>`case when ${windowOver} then now() else login_attempts.window_start end`,
      }),
    )
    .returning([
      "attempts",
      sql<number>`${windowSeconds} - extract(epoch from now() - window_start)::int`.as(
        "seconds_left",
      ),
    ])
    .executeTakeFirstOrThrow();
  return { attempts: row.attempts, secondsLeft: Math.max(1, row.seconds_left) };
}

export async function forgetLoginAttempts(db: Queryable, subject: string): Promise<void> {
  await db.deleteFrom("login_attempts").where("subject", "=", subject).execute();
}

export async function takeBackLoginAttempt(db: Queryable, subjects: string[]): Promise<void> {
  await db
    .updateTable("login_attempts")
    .set({ attempts: sql<number>`greatest(attempts - 1, 0)` })
    .where("subject", "in", subjects)
    .execute();
}
