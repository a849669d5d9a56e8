import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { invalidFields } from "../../errors.ts";

/**
 * When an entry is to expire; null for never.
 * @throws ServiceError FIELD_INVALID for a time that has passed
 */
export function entryExpiry(expireTime: Timestamp | undefined): Date | null {
  if (expireTime === undefined) return null;
  const time = timestampDate(expireTime);
  if (time.getTime() > Date.now()) return time;
  throw invalidFields([
    {
      field: "expire_time",
      description: "must lie in the future; use DeleteAllowlistEntry to remove an entry",
    },
  ]);
}
