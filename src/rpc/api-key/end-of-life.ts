import { Code, invalidFields, ServiceError } from "../../errors.ts";
import type { OrganizationRow } from "../../store/organizations.ts";

/** What a key's life is measured by. */
export interface LifeBounds {
  organization: Pick<OrganizationRow, "max_api_key_lifetime_seconds">;
  /** When the key was made. */
  from: Date;
  /** When the calling key ends, which gives nobody a longer life than its own; null for never. */
  ownEnd: Date | null;
}

/**
 * When a key stops being honoured: the time that was asked for, or else as late as may be.
 * @returns null where that is never
 * @throws ServiceError FIELD_INVALID, or PERMISSION_ESCALATION
 */
export function endOfLife(wanted: Date | undefined, bounds: LifeBounds): Date | null {
  const latest = latestByPolicy(bounds);
  const end = wanted ?? earlier(latest, bounds.ownEnd);
  if (end !== null && end.getTime() <= Date.now()) throw past(wanted);
  if (latest !== null && (end === null || end > latest)) throw tooLate(latest);
  ensureNoLonger(end, bounds.ownEnd);
  return end;
}

/**
 * Holds that a key gives nobody a longer life than its own.
 * @param ownEnd when it ends; null for never
 * @throws ServiceError PERMISSION_ESCALATION
 */
export function ensureNoLonger(end: Date | null, ownEnd: Date | null): void {
  if (ownEnd !== null && (end === null || end > ownEnd)) throw outlives(ownEnd);
}

/** The earlier of two ends, of which null is never. */
export function earlier(a: Date | null, b: Date | null): Date | null {
  if (a === null || b === null) return a ?? b;
  return a < b ? a : b;
}

/** The latest end that the organization allows. */
export function latestByPolicy({ organization, from }: LifeBounds): Date | null {
  const seconds = organization.max_api_key_lifetime_seconds;
  return seconds === null ? null : new Date(from.getTime() + seconds * 1_000);
}

function past(wanted: Date | undefined): ServiceError {
  const description =
    wanted === undefined
      ? "the key has lived as long as the organization lets keys live; replace it with RotateApiKey"
      : "must lie in the future; use RevokeApiKey or DisableApiKey to stop a key now";
  return invalidFields([{ field: "expire_time", description }]);
}

function tooLate(latest: Date): ServiceError {
  const description = `must not be later than ${latest.toISOString()}: the organization limits the life of its keys`;
  return invalidFields([{ field: "expire_time", description }]);
}

function outlives(ownEnd: Date): ServiceError {
  return new ServiceError(
    Code.permissionDenied,
    "PERMISSION_ESCALATION",
    `Your key ends at ${ownEnd.toISOString()}, and cannot give another one a longer life. Ask for an earlier time, or ask an administrator to do it.`,
  );
}
