import { Code, invalidFields, ServiceError } from "../../errors.ts";
import type { ApiKeyRow } from "../../store/api-keys.ts";
import type { OrganizationRow } from "../../store/organizations.ts";

/** What a key's life is measured by. */
export interface LifeBounds {
  organization: Pick<OrganizationRow, "max_api_key_lifetime_seconds">;
  /** When the key was made. */
  from: Date;
  /** The calling key, which gives nobody a longer life than its own; undefined for a user. */
  own: ApiKeyRow | undefined;
}

/**
 * When a key stops being honoured: the time that was asked for, or else as late as may be.
 * @returns null where that is never
 * @throws ServiceError FIELD_INVALID, or PERMISSION_ESCALATION
 */
export function endOfLife(wanted: Date | undefined, bounds: LifeBounds): Date | null {
  const latest = latestByPolicy(bounds);
  const ownEnd = bounds.own?.expire_time ?? null;
  const end = wanted ?? earlier(latest, ownEnd);
  if (end !== null && end.getTime() <= Date.now()) throw past(wanted);
  if (latest !== null && (end === null || end > latest)) throw tooLate(latest);
  if (ownEnd !== null && (end === null || end > ownEnd)) throw outlives(ownEnd);
  return end;
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
    `Your key expires at ${ownEnd.toISOString()}, and cannot give another one a longer life. Ask for an earlier expire_time, or ask an administrator to do it.`,
  );
}
