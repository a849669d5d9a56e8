import { isDeepStrictEqual } from "node:util";
import { maxSkewSeconds } from "../auth/signature.ts";
import { Code, ServiceError } from "../errors.ts";
import { admitCredential } from "../rpc/admit-credential.ts";
import type { App } from "../rpc/app.ts";
import type { Call } from "../rpc/call.ts";
import type { NonceVerdict } from "../store/replay/replay-store.ts";

/**
 * Uses the signature up: of any number of calls with the same nonce, one gets past here. The same
 * round trip tells whether anybody's access has changed since the credential was read, and whether the
 * key calls too often.
 * @throws ServiceError NONCE_REPLAYED, REPLAY_STORE_UNAVAILABLE, REPLAY_STORE_RECOVERING or
 *   RATE_LIMITED, or as admitCredential
 */
export async function spendNonce(app: App, call: Call): Promise<void> {
  const { signed, credential } = call;
  if (signed === undefined || credential === undefined) return;
  const { organizationId, apiKeyId } = credential.principal;
  const verdict = await app.replay.admit({
    organizationId,
    keyId: apiKeyId,
    nonce: signed.nonce,
    limits: credential.limits,
  });
  if (!verdict.fresh) {
    throw new ServiceError(
      Code.unauthenticated,
      "NONCE_REPLAYED",
      "This signature was used before. Sign every attempt afresh, retries too.",
    );
  }
  ensureRemembered(signed.created, verdict);
  if (verdict.epoch === undefined || verdict.epoch > credential.principal.epoch) {
    await recheck(app, call, signed.accessKey, verdict.epoch);
  }
  const { address, userAgent, method } = call;
  app.usage.note({ apiKeyId, address, userAgent, rpc: method.action });
  if (verdict.retryAfterMs > 0) throw rateLimited(verdict.retryAfterMs);
  // Limits that were changed meanwhile were not taken from: the next attempt is.
  const limits = call.credential?.limits;
  if (limits !== credential.limits && !isDeepStrictEqual(limits, credential.limits)) {
    throw rateLimited(1);
  }
}

function rateLimited(retryAfterMs: number): ServiceError {
  return new ServiceError(
    Code.resourceExhausted,
    "RATE_LIMITED",
    `The API key or its service account calls more often than it may. Try again in ${Math.ceil(retryAfterMs)} ms, signed afresh, or ask an administrator for a higher limit.`,
    { retryAfterMs },
  );
}

/**
 * A store that was emptied could admit a signature twice: once before and once after. `created` is
 * the signer's clock, which may be ahead, so the margin is the skew that is tolerated.
 */
function ensureRemembered(created: number, verdict: NonceVerdict): void {
  const safeFrom = verdict.birth + maxSkewSeconds;
  if (verdict.birth === 0 || created > safeFrom) return;
  const waitSeconds = Math.max(1, Math.ceil(safeFrom - Date.now() / 1000) + 1);
  throw new ServiceError(
    Code.unavailable,
    "REPLAY_STORE_RECOVERING",
    `The replay store was emptied a moment ago. Sign afresh in ${waitSeconds} seconds.`,
    { retryAfterMs: waitSeconds * 1_000 },
  );
}

/** Reads the credential anew, as it is after the latest change of anybody's access. */
async function recheck(
  app: App,
  call: Call,
  accessKey: string,
  epoch: number | undefined,
): Promise<void> {
  const { organizationId } = call.principal;
  const credential = await app.credentials.getAt(accessKey, organizationId, epoch);
  // The secret of an access key never changes, so the signature holds still.
  admitCredential(app, call, credential, true);
  if (epoch === undefined)
    await app.replay.publishEpoch(organizationId, credential.principal.epoch);
}
