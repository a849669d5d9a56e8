import { neverSent, type PdaasError, type PdaasErrorReason } from "./errors.ts";

const baseDelayMs = 100;
const maxDelayMs = 5_000;

/** Refusals that come before the service does anything, so that any call can be made again. */
const nothingDone: ReadonlySet<PdaasErrorReason | undefined> = new Set<PdaasErrorReason>([
  "REPLAY_STORE_UNAVAILABLE",
  "REPLAY_STORE_RECOVERING",
  "AUDIT_UNAVAILABLE",
  "RATE_LIMITED",
]);

/**
 * Whether a call can be made again after this failure without the risk of doing its work twice.
 * @param repeatable whether the call does no harm when it is carried out twice
 */
export function mayRetry(error: PdaasError, repeatable: boolean): boolean {
  if (nothingDone.has(error.reason) || neverSent(error)) return true;
  // Every attempt has a nonce of its own. One that was seen before means that the network delivered
  // the attempt twice, and that the first delivery was carried out or is being carried out.
  return repeatable && (error.retryable || error.reason === "NONCE_REPLAYED");
}

/**
 * How long to wait before another attempt: exponential backoff with full jitter, on top of what the
 * service asks for.
 * @param attempts how many have failed so far, at least 1
 * @returns milliseconds
 */
export function retryDelayMs(
  error: PdaasError,
  attempts: number,
  random: () => number = Math.random,
): number {
  const ceiling = Math.min(maxDelayMs, baseDelayMs * 2 ** (attempts - 1));
  return (error.retryAfterMs ?? 0) + random() * ceiling;
}
