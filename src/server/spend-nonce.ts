import { maxSkewSeconds } from "../auth/signature.ts";
import { Code, ServiceError } from "../errors.ts";
import { admitCredential } from "../rpc/admit-credential.ts";
import type { App } from "../rpc/app.ts";
import type { Call } from "../rpc/call.ts";
import type { NonceVerdict } from "../store/replay/replay-store.ts";

/**
 * Uses the signature up: of any number of calls with the same nonce, one gets past here. The same
 * round trip tells whether anybody's access has changed since the credential was read.
 * @throws ServiceError NONCE_REPLAYED, REPLAY_STORE_UNAVAILABLE or REPLAY_STORE_RECOVERING
 */
export async function spendNonce(app: App, call: Call): Promise<void> {
  const { signed } = call;
  if (signed === undefined) return;
  const { organizationId, apiKeyId } = call.principal;
  const verdict = await app.replay.admit({ organizationId, keyId: apiKeyId, nonce: signed.nonce });
  if (!verdict.fresh) {
    throw new ServiceError(
      Code.unauthenticated,
      "NONCE_REPLAYED",
      "This signature was used before. Sign every attempt afresh, retries too.",
    );
  }
  ensureRemembered(signed.created, verdict);
  if (verdict.epoch === undefined || verdict.epoch > call.epoch) {
    await recheck(app, call, signed.accessKey, verdict.epoch);
  }
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
  admitCredential(call, credential, true);
  if (epoch === undefined) await app.replay.publishEpoch(organizationId, credential.epoch);
}
