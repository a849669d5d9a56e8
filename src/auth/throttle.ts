import { createHash } from "node:crypto";
import { Code, type Reason, ServiceError } from "../errors.ts";
import { countAttempt, forgetAttempts, takeBackAttempt } from "../store/attempts.ts";
import type { Database } from "../store/database.ts";
import { networkOrSame } from "./cidr.ts";

const windowSeconds = 15 * 60;
/**
 * One address guessing at one user is stopped first. A user attacked from many addresses stays able
 * to log in from elsewhere for longer, and an address that tries many users is stopped too.
 */
const limits = { pair: 10, user: 100, address: 100, leak: 100, invitation: 100 };

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
  const network = networkOrSame(address);
  const pair = subject("pair", `${user}\0${network}`);
  const fromAddress = subject("address", network);
  const asUser = subject("user", user);
  const tooMany: [Reason, string] = ["LOGIN_THROTTLED", "Too many logins were tried"];
  await count(db, fromAddress, limits.address, tooMany);
  await count(db, pair, limits.pair, tooMany);
  await count(db, asUser, limits.user, tooMany);
  return {
    forgive: async () => {
      await forgetAttempts(db, pair);
      // Only this one: else whoever has one password could guess at others without end.
      await takeBackAttempt(db, [fromAddress, asUser]);
    },
  };
}

/**
 * Counts a secret that somebody reports as leaked, before it is looked up.
 * @returns what to call when it was the secret of a key: reporting is welcome, guessing is not
 * @throws ServiceError LEAK_REPORT_THROTTLED
 */
export async function throttleLeakReport(
  db: Database,
  address: string,
): Promise<{ forgive(): Promise<void> }> {
  const reporter = subject("leak", networkOrSame(address));
  await count(db, reporter, limits.leak, [
    "LEAK_REPORT_THROTTLED",
    "Too many secrets were reported that are nobody's",
  ]);
  return { forgive: () => takeBackAttempt(db, [reporter]) };
}

/**
 * Counts an invitation that somebody tries, before it is looked up.
 * @returns what to call when it was a good one
 * @throws ServiceError INVITATION_THROTTLED
 */
export async function throttleInvitation(
  db: Database,
  address: string,
): Promise<{ forgive(): Promise<void> }> {
  const guest = subject("invitation", networkOrSame(address));
  await count(db, guest, limits.invitation, [
    "INVITATION_THROTTLED",
    "Too many invitations were tried that are nobody's",
  ]);
  return { forgive: () => takeBackAttempt(db, [guest]) };
}

async function count(
  db: Database,
  key: string,
  limit: number,
  [reason, what]: [Reason, string],
): Promise<void> {
  const { attempts, secondsLeft } = await countAttempt(db, key, windowSeconds);
  if (attempts <= limit) return;
  throw new ServiceError(
    Code.resourceExhausted,
    reason,
    `${what}. Wait ${secondsLeft} seconds before the next one.`,
    { retryAfterMs: secondsLeft * 1_000 },
  );
}

/** A hash, since what a stranger types into a login may be a password. */
function subject(kind: string, text: string): string {
  return createHash("sha256").update(`${kind}\0${text}`).digest("base64url");
}
