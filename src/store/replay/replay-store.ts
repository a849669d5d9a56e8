import { Code, ServiceError } from "../../errors.ts";

/** How long a nonce is remembered: longer than its signature can be valid on any clock, and a margin. */
export const nonceMemorySeconds = 400;

/** How often something may call: a bucket of `burst` calls that refills with `perSecond`. */
export interface RateLimit {
  /** Whose limit it is: what has the same name shares a bucket, such as `key_…` or `svc_…`. */
  id: string;
  /** Calls in a second on average, 1 or more. */
  perSecond: number;
  /** Calls at once, 1 or more. */
  burst: number;
}

/** A nonce that a key has signed with. */
export interface NonceClaim {
  organizationId: string;
  /** A nonce counts once per key. */
  keyId: string;
  nonce: string;
  /** All must have room, or none gives any. A nonce that was used before takes nothing. */
  limits: readonly RateLimit[];
}

export interface NonceVerdict {
  /** Whether this is the nonce's first use, which it was also where a limit had no room. */
  fresh: boolean;
  /** The organization's access epoch; undefined when the store does not know it. */
  epoch: number | undefined;
  /** Unix seconds before which the store may have forgotten nonces; 0 when it has never lost any. */
  birth: number;
  /** Milliseconds until a limit has room again; 0 when all had. */
  retryAfterMs: number;
}

/** Remembers nonces, and tells the access epoch in the same step. It fails closed. */
export interface ReplayStore {
  /**
   * Claims a nonce, in one atomic step: of any number of equal claims, one is fresh. A claim whose
   * answer is lost counts as used.
   * @throws ServiceError REPLAY_STORE_UNAVAILABLE
   */
  admit(claim: NonceClaim): Promise<NonceVerdict>;
  /**
   * Tells an organization's access epoch, which only rises.
   * @throws ServiceError REPLAY_STORE_UNAVAILABLE
   */
  publishEpoch(organizationId: string, epoch: number): Promise<void>;
  /** @throws Error while nonces cannot be claimed */
  check(): Promise<void>;
  /** Called after each new connection: epochs may have been missed before it. */
  onReconnect(listener: () => void): void;
  close(): Promise<void>;
}

export function replayStoreUnavailable(cause: unknown): ServiceError {
  return new ServiceError(
    Code.unavailable,
    "REPLAY_STORE_UNAVAILABLE",
    "Nonces cannot be checked now, so no signed call is admitted. Sign afresh and try again shortly.",
    { cause, retryAfterMs: 1_000 },
  );
}
