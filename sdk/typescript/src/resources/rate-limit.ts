import type { RateLimit as Message } from "../../../../gen/pdaas/v1/rate_limit_pb.ts";

/** How often something may call, on all replicas of the service together. */
export interface RateLimit {
  /** Calls in a second, on average: 1 to 1 000 000. */
  requestsPerSecond: number;
  /** Calls at once after a pause; as many as in a second when absent. */
  burst?: number | undefined;
}

/** A limit as the contract has it; undefined when there is none. */
export function rateLimitOf(limit: RateLimit | null | undefined) {
  if (limit === undefined || limit === null) return undefined;
  return { requestsPerSecond: limit.requestsPerSecond, burst: limit.burst ?? 0 };
}

export function toRateLimit(message: Message | undefined): RateLimit | undefined {
  if (message === undefined) return undefined;
  const { requestsPerSecond, burst } = message;
  return { requestsPerSecond, burst: burst === 0 ? undefined : burst };
}
