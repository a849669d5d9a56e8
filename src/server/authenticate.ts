import { randomBytes } from "node:crypto";
import { Caller } from "../../gen/pdaas/v1/access_pb.ts";
import type { Credential } from "../auth/credentials.ts";
import { HmacKey } from "../auth/hmac.ts";
import { authenticateSession } from "../auth/sessions.ts";
import { hasSignature, macHolds, readSignature, type SignedHead } from "../auth/signature.ts";
import { Code, ServiceError } from "../errors.ts";
import { admitAddress } from "../rpc/admit-address.ts";
import { admitCredential } from "../rpc/admit-credential.ts";
import type { App } from "../rpc/app.ts";
import type { Call } from "../rpc/call.ts";

/** Stands in for the secret of a key that does not exist, so that its check takes as long. */
const decoyKey = new HmacKey(randomBytes(52));

/**
 * Finds out who is calling. RPCs that anybody may call look at no credentials at all.
 * @returns a promise only where somebody had to be asked: the key was not cached, or it is a session
 * @throws ServiceError UNAUTHENTICATED, or PERMISSION_DENIED when the RPC is not for such callers, or the
 *   caller's address is not allowed
 */
export function authenticate(app: App, call: Call): Promise<void> | undefined {
  if (call.method.callers.has(Caller.ANONYMOUS)) return undefined;
  if (!hasSignature(call.head)) return authenticateToken(app, call);
  const signed = readSignature(call.head, Date.now() / 1000, app.authorities);
  call.signed = signed;
  const credential = app.credentials.get(signed.accessKey);
  if (credential instanceof Promise) {
    return credential.then((loaded) => authenticateKey(app, call, signed, loaded));
  }
  authenticateKey(app, call, signed, credential);
  return undefined;
}

function authenticateKey(
  app: App,
  call: Call,
  signed: SignedHead,
  credential: Credential | undefined,
): void {
  admitCredential(app, call, credential, macHolds(signed, credential ?? decoyKey));
  ensureRightCaller(call, Caller.SIGNATURE);
}

async function authenticateToken(app: App, call: Call): Promise<void> {
  const authorization = call.head.header("authorization");
  if (authorization === undefined) {
    throw new ServiceError(
      Code.unauthenticated,
      "SIGNATURE_MISSING",
      "Sign the request with an API key (headers signature-input, signature and content-digest), or send a user's access token (header authorization).",
    );
  }
  const { principal, allowlists } = await authenticateSession(
    app.db,
    app.accessTokens,
    authorization,
  );
  const { organizationId } = principal;
  call.claimant = { organizationId, principal };
  admitAddress(app, call, principal, allowlists);
  call.authenticated(principal);
  ensureRightCaller(call, Caller.SESSION);
}

/**
 * Authenticates an admitted call again, by what is stored now: its body took its time, in which the
 * key may have been revoked or the session ended.
 */
export async function reauthenticate(app: App, call: Call): Promise<void> {
  if (call.caller === undefined) return;
  if (call.signed === undefined) return authenticateToken(app, call);
  const { organizationId } = call.principal;
  const credential = await app.credentials.getAt(call.signed.accessKey, organizationId, undefined);
  admitCredential(app, call, credential, true);
}

function ensureRightCaller({ method }: Call, caller: Caller): void {
  if (method.callers.has(caller)) return;
  const wanted = method.callers.has(Caller.SESSION)
    ? "a user's session: log in and send the access token"
    : "a signed request: use an API key";
  throw new ServiceError(
    Code.permissionDenied,
    "CALLER_NOT_ALLOWED",
    `${method.action} takes ${wanted}.`,
  );
}
