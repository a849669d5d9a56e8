import { sql } from "kysely";
import type { Database, Queryable } from "./database.ts";

/**
 * Counts an attempt before it is made, so that attempts made at once are all counted.
 * @returns how many there were in this window, this one included, and when the window ends
 */
export async function countAttempt(
  db: Database,
  subject: string,
  windowSeconds: number,
): Promise<{ attempts: number; secondsLeft: number }> {
  const windowOver = sql`attempts.window_start < now() - make_interval(secs => ${windowSeconds})`;
  const row = await db
    .insertInto("attempts")
    .values({ subject, attempts: 1, window_start: sql<Date>`now()` })
    .onConflict((conflict) =>
      conflict.column("subject").doUpdateSet({
        attempts: sql<number>`case when ${windowOver} then 1 else attempts.attempts + 1 end`,
        window_start: sql<Date>`case when ${windowOver} then now() else attempts.window_start end`,
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

export async function forgetAttempts(db: Queryable, subject: string): Promise<void> {
  await db.deleteFrom("attempts").where("subject", "=", subject).execute();
}

export async function takeBackAttempt(db: Queryable, subjects: string[]): Promise<void> {
  await db
    .updateTable("attempts")
    .set({ attempts: sql<number>`greatest(attempts - 1, 0)` })
    .where("subject", "in", subjects)
    .execute();
}
