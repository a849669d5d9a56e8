import { createHash } from "node:crypto";
import { Code, ServiceError } from "../errors.ts";
import type { Database } from "../store/database.ts";
import {
  countLoginAttempt,
  forgetLoginAttempts,
  takeBackLoginAttempt,
} from "../store/login-attempts.ts";

const windowSeconds = 15 * 60;
/**
 * One address guessing at one user is stopped first. A user attacked from many addresses stays able
 * to log in from elsewhere for longer, and an address that tries many users is stopped too.
 */
const limits = { pair: 10, user: 100, address: 100 };

/**
 * Counts a login that is about to be tried, whether or not there is such a user.
 * @returns what to call when the login has succeeded
 * @throws ServiceError LOGIN_THROTTLED
 */
export async function throttleLogin(
  db: Database,
  login: { organizationSlug: string; email: string },
  address: string,
): Promise<{ forgive(): Promise<void> }> {
  const user = `${login.organizationSlug}\0${login.email.toLowerCase()}`;
  const pair = subject("pair", `${user}\0${address}`);
  const fromAddress = subject("address", address);
  const asUser = subject("user", user);
  await count(db, fromAddress, limits.address);
  await count(db, pair, limits.pair);
  await count(db, asUser, limits.user);
  return {
    forgive: async () => {
      await forgetLoginAttempts(db, pair);
      // Only this one: else whoever has one password could guess at others without end.
      await takeBackLoginAttempt(db, [fromAddress, asUser]);
    },
  };
}

async function count(db: Database, key: string, limit: number): Promise<void> {
  const { attempts, secondsLeft } = await countLoginAttempt(db, key, windowSeconds);
  if (attempts <= limit) return;
  throw new ServiceError(
    Code.resourceExhausted,
    "LOGIN_THROTTLED",
    `Too many logins were tried. Wait ${secondsLeft} seconds before the next one.`,
    { retryAfterMs: secondsLeft * 1_000 },
  );
}

/** A hash, since what a stranger types into a login may be a password. */
function subject(kind: string, text: string): string {
  return createHash("sha256").update(`${kind}\0${text}`).digest("base64url");
}
