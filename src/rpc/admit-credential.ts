import { type Credential, refusalAt } from "../auth/credentials.ts";
import { Code, ServiceError } from "../errors.ts";
import { admitAddress } from "./admit-address.ts";
import type { App } from "./app.ts";
import type { Call } from "./call.ts";

/**
 * Admits the holder of a key, if the key is honoured and its allowlists contain the caller's address.
 * Until its secret is proven, every refusal reads alike to the caller; the audit log has the true reason.
 * @throws ServiceError SIGNATURE_INVALID or ADDRESS_NOT_ALLOWED
 */
export function admitCredential(
  app: App,
  call: Call,
  credential: Credential | undefined,
  macHeld: boolean,
): asserts credential is Credential {
  if (credential === undefined) throw invalid("UNKNOWN_ACCESS_KEY");
  const { principal, allowlists } = credential;
  const { organizationId, apiKeyId } = principal;
  call.claimant = { organizationId, apiKeyId, ...(macHeld && { principal }) };
  if (!macHeld) throw invalid("WRONG_SECRET_KEY");
  const refusal = refusalAt(credential, Date.now());
  if (refusal !== undefined) throw invalid(refusal);
  admitAddress(app, call, principal, allowlists);
  call.credential = credential;
  call.authenticated(principal);
}

function invalid(trueReason: string): ServiceError {
  return new ServiceError(
    Code.unauthenticated,
    "SIGNATURE_INVALID",
    "The signature does not hold, or its key is not honoured. Check the access key, the secret key, and that the key and its service account are active.",
    { trueReason },
  );
}
