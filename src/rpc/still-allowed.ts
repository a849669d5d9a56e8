import { Allowlists } from "../auth/allowlists.ts";
import { userPrincipal } from "../auth/principals.ts";
import { sessionEnded } from "../auth/sessions.ts";
import { decideAfresh } from "../iam/authorize.ts";
import type { Queryable, Transaction } from "../store/database.ts";
import { findSessionUser } from "../store/sessions.ts";
import { admitAddress } from "./admit-address.ts";
import { admitCredential } from "./admit-credential.ts";
import type { App } from "./app.ts";
import { authorizeCall } from "./authorize-call.ts";
import type { Call } from "./call.ts";

/**
 * Holds that the caller of a change may make it by what the transaction sees, which may be more than
 * was known when the call was admitted.
 * @param epoch the organization's access epoch, which the transaction holds
 * @throws ServiceError as for a call that is made now
 */
export async function ensureStillAllowed(
  app: App,
  tx: Transaction,
  call: Call,
  epoch: number,
): Promise<void> {
  const { sessionId } = call.principal;
  if (sessionId !== "") await readUser(app, tx, call, sessionId);
  else if (call.signed === undefined || epoch <= (call.credential?.principal.epoch ?? 0)) return;
  else admitCredential(app, call, await app.credentials.readIn(tx, call.signed.accessKey), true);
  await authorizeCall(call, tx, decideAfresh);
}

/**
 * Holds that the caller of a stream may still make the call that it began with. Its key is asked the
 * cache, which the access epoch keeps right; its session, whose end raises no epoch, is read.
 * @throws ServiceError as for a call that is made now
 */
export async function ensureMayGoOn(app: App, call: Call): Promise<void> {
  if (call.caller === undefined) return;
  const { sessionId } = call.principal;
  if (sessionId !== "") await readUser(app, app.db, call, sessionId);
  else if (call.signed !== undefined)
    admitCredential(app, call, await app.credentials.get(call.signed.accessKey), true);
  await authorizeCall(call, app.db);
}

async function readUser(app: App, db: Queryable, call: Call, sessionId: string): Promise<void> {
  const user = await findSessionUser(db, sessionId);
  if (user === undefined) throw sessionEnded();
  const principal = userPrincipal(user, sessionId);
  admitAddress(app, call, principal, Allowlists.of(user.allowlists));
  call.authenticated(principal);
}
