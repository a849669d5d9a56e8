import { Code, ServiceError } from "../../errors.ts";
import type { UsedApiKeyRow } from "../../store/api-keys.ts";

/** A key that was used within this time is in use, where nothing else is said. */
export const defaultQuietMs = 10 * 60_000;

/** @throws ServiceError API_KEY_IN_USE when the key was used in the last `quietMs` milliseconds */
export function ensureQuiet(key: UsedApiKeyRow, quietMs: number): void {
  const lastUse = key.last_use;
  if (lastUse === null || lastUse.time <= Date.now() - quietMs) return;
  const time = new Date(lastUse.time).toISOString();
  throw new ServiceError(
    Code.failedPrecondition,
    "API_KEY_IN_USE",
    `The key was used at ${time}, from ${lastUse.address || "an unknown address"}. Give that program the new key first, or set force to refuse it from now on.`,
    { metadata: { last_use_time: time } },
  );
}
