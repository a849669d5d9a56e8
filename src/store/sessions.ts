import { sql } from "kysely";
import { allowlistsOf } from "./allowlists.ts";
import type { Database, Queryable, Transaction } from "./database.ts";
import { type UserMemberRow, userAccess } from "./members.ts";
import { organizationColumns } from "./organizations.ts";

export interface SessionRow {
  id: string;
  organization_id: string;
  user_id: string;
  expire_time: Date;
}

export async function insertSession(tx: Transaction, row: SessionRow): Promise<void> {
  await tx.insertInto("sessions").values(row).execute();
}

/** A user with its session and its organization. */
export interface SessionUserRow extends UserMemberRow {
  session_expire_time: Date;
  /** See allowlistsOf. */
  allowlists: string | null;
}

/** The user of a session that is still good, if it is and the user may log in. */
export async function findSessionUser(
  db: Queryable,
  sessionId: string,
): Promise<SessionUserRow | undefined> {
  return db
    .selectFrom("sessions")
    .innerJoin("users", "users.id", "sessions.user_id")
    .selectAll("users")
    .innerJoin("organizations", "organizations.id", "users.organization_id")
    .select(organizationColumns)
    .select("organizations.access_epoch")
    .select(userAccess)
    .select([
      "sessions.expire_time as session_expire_time",
      allowlistsOf(sql.ref("users.organization_id"), []).as("allowlists"),
    ])
    .where("sessions.id", "=", sessionId)
    .where("sessions.end_time", "is", null)
    .where("sessions.expire_time", ">", sql<Date>`now()`)
    .where("users.disable_time", "is", null)
    .where("users.password_hash", "is not", null)
    .executeTakeFirst();
}

/** Ends all sessions of a user. */
export async function endSessionsOf(tx: Transaction, userId: string): Promise<void> {
  await tx
    .updateTable("sessions")
    .set({ end_time: sql`coalesce(end_time, now())` })
    .where("user_id", "=", userId)
    .execute();
}

export async function endSession(db: Queryable, sessionId: string): Promise<void> {
  await db
    .updateTable("sessions")
    .set({ end_time: sql`coalesce(end_time, now())` })
    .where("id", "=", sessionId)
    .execute();
}

/** @param hash SHA-256 of the token: the token itself is not stored */
export async function insertRefreshToken(
  tx: Transaction,
  hash: Buffer,
  sessionId: string,
): Promise<void> {
  await tx
    .insertInto("refresh_tokens")
    .values({ hash, session_id: sessionId, use_time: null })
    .execute();
}

/** What became of a refresh token that was handed in: of two at once, one is first. */
export type RefreshTokenUse =
  | { outcome: "first use" | "reused"; sessionId: string; organizationId: string; userId: string }
  | { outcome: "unknown" };

export async function useRefreshToken(tx: Transaction, hash: Buffer): Promise<RefreshTokenUse> {
  const first = await tx
    .updateTable("refresh_tokens")
    .set({ use_time: sql`now()` })
    .where("hash", "=", hash)
    .where("use_time", "is", null)
    .returning("session_id")
    .executeTakeFirst();
  const session = await tx
    .selectFrom("refresh_tokens")
    .innerJoin("sessions", "sessions.id", "refresh_tokens.session_id")
    .select(["sessions.id", "sessions.organization_id", "sessions.user_id"])
    .where("refresh_tokens.hash", "=", hash)
    .executeTakeFirst();
  if (session === undefined) return { outcome: "unknown" };
  return {
    outcome: first === undefined ? "reused" : "first use",
    sessionId: session.id,
    organizationId: session.organization_id,
    userId: session.user_id,
  };
}

export interface TokenKeyRow {
  id: string;
  public_key: string;
  sealed_private_key: Buffer;
}

/** Adds the first key; when another process was faster, its key stands. */
export async function insertFirstTokenKey(db: Database, row: TokenKeyRow): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await sql`lock table token_keys in exclusive mode`.execute(tx);
    if ((await listTokenKeys(tx)).length > 0) return;
    await tx.insertInto("token_keys").values(row).execute();
  });
}

/** The keys that access tokens are verified with, newest first; the newest signs. */
export async function listTokenKeys(db: Queryable): Promise<TokenKeyRow[]> {
  return db
    .selectFrom("token_keys")
    .select(["id", "public_key", "sealed_private_key"])
    .orderBy("create_time", "desc")
    .execute();
}
