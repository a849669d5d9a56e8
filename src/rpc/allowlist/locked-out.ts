import { Allowlists } from "../../auth/allowlists.ts";
import { Code, ServiceError } from "../../errors.ts";
import { readAllowlists } from "../../store/allowlists.ts";
import type { Transaction } from "../../store/database.ts";
import type { App } from "../app.ts";
import type { Call } from "../call.ts";

/**
 * Holds that whoever has made a change of allowlists in this transaction can still call afterwards.
 * @throws ServiceError CALLER_LOCKED_OUT
 */
export async function ensureNotLockedOut(app: App, tx: Transaction, call: Call): Promise<void> {
  const allowlists = await allowlistsOfCaller(app, tx, call);
  // A user who cannot come back can be let in by nobody, so an entry that ends is not enough for one.
  const time = call.signed === undefined ? Number.MAX_SAFE_INTEGER : Date.now();
  const { refusing } = allowlists.judge(call.address, time);
  if (refusing === undefined) return;
  throw new ServiceError(
    Code.failedPrecondition,
    "CALLER_LOCKED_OUT",
    `After this change, the allowlist of ${refusing.resourceId} would refuse your own address ${call.address || "(not known)"}. Allow that address first (for a user without an end), let the list only report, or set force.`,
    { metadata: { address: call.address } },
  );
}

async function allowlistsOfCaller(app: App, tx: Transaction, call: Call): Promise<Allowlists> {
  if (call.signed === undefined) {
    return Allowlists.of(await readAllowlists(tx, call.principal.organizationId, []));
  }
  const credential = await app.credentials.readIn(tx, call.signed.accessKey);
  return credential?.allowlists ?? Allowlists.none;
}
