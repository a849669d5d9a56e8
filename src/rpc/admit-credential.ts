import type { Credential } from "../auth/credentials.ts";
import { Code, ServiceError } from "../errors.ts";
import type { Call } from "./call.ts";

/** Every refusal reads alike to the caller; the audit log has the true reason. */
export function admitCredential(
  call: Call,
  credential: Credential | undefined,
  macHeld: boolean,
): asserts credential is Credential {
  if (credential === undefined) throw invalid("UNKNOWN_ACCESS_KEY");
  const { principal } = credential;
  const { organizationId, apiKeyId } = principal;
  call.claimant = { organizationId, apiKeyId, ...(macHeld && { principal }) };
  if (!macHeld) throw invalid("WRONG_SECRET_KEY");
  if (credential.refusal !== undefined) throw invalid(credential.refusal);
  call.epoch = credential.epoch;
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
