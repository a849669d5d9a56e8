import type { MessageInitShape } from "@bufbuild/protobuf";
import type { RateLimit, RateLimitSchema } from "../../gen/pdaas/v1/rate_limit_pb.ts";
import { Code, ServiceError } from "../errors.ts";

/** A rate limit as it is stored: both null where there is none. */
export interface RateColumns {
  rate_per_second: number | null;
  rate_burst: number | null;
}

export function rateColumns(limit: RateLimit | undefined): RateColumns {
  if (limit === undefined) return { rate_per_second: null, rate_burst: null };
  const { requestsPerSecond, burst } = limit;
  return { rate_per_second: requestsPerSecond, rate_burst: burst || requestsPerSecond };
}

export function toRateLimit(
  row: RateColumns,
): MessageInitShape<typeof RateLimitSchema> | undefined {
  if (row.rate_per_second === null || row.rate_burst === null) return undefined;
  return { requestsPerSecond: row.rate_per_second, burst: row.rate_burst };
}

/** The lower of two limits. */
export function narrowerRate(a: RateColumns, b: RateColumns): RateColumns {
  return {
    rate_per_second: lower(a.rate_per_second, b.rate_per_second),
    rate_burst: lower(a.rate_burst, b.rate_burst),
  };
}

function lower(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}

/**
 * Holds that a key gives nobody a higher limit than it has itself.
 * @param own the most that the caller can give; undefined for a user
 * @throws ServiceError PERMISSION_ESCALATION
 */
export function ensureRateWithin(
  own: RateColumns | undefined,
  given: { [Column in keyof RateColumns]?: number | null | undefined },
): void {
  if (own === undefined || own.rate_per_second === null || own.rate_burst === null) return;
  const perSecond = given.rate_per_second ?? Number.POSITIVE_INFINITY;
  const burst = given.rate_burst ?? Number.POSITIVE_INFINITY;
  if (perSecond <= own.rate_per_second && burst <= own.rate_burst) return;
  throw new ServiceError(
    Code.permissionDenied,
    "PERMISSION_ESCALATION",
    `You may call ${own.rate_per_second} times a second, ${own.rate_burst} at once, and cannot give more than that. Set a rate_limit within it, or ask an administrator to do it.`,
  );
}

/**
 * The limit of something new: what was asked for, or where that is nothing, the most that the caller can give.
 * @throws ServiceError PERMISSION_ESCALATION
 */
export function rateWithin(
  own: RateColumns | undefined,
  wanted: RateLimit | undefined,
): RateColumns {
  if (wanted === undefined && own !== undefined) {
    const { rate_per_second, rate_burst } = own;
    return { rate_per_second, rate_burst };
  }
  const given = rateColumns(wanted);
  ensureRateWithin(own, given);
  return given;
}
