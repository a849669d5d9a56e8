import { notFound } from "../../errors.ts";
import { findApiKey } from "../../store/api-keys.ts";
import type { Transaction } from "../../store/database.ts";
import { findServiceAccount } from "../../store/service-accounts.ts";
import type { Call } from "../call.ts";
import { narrowerRate, type RateColumns } from "../rate-limit.ts";
import { earlier } from "./end-of-life.ts";

/** What a calling key is bound by, and so all that it makes. */
export interface OwnLimits {
  /** When the key stops being honoured; null for never. */
  end: Date | null;
  /** How often it may call, whatever its service account may. */
  rate: RateColumns;
  serviceAccountId: string;
  serviceAccountRate: RateColumns;
}

/** @returns undefined for a call of a user, who is bound by none */
export async function ownLimits(tx: Transaction, call: Call): Promise<OwnLimits | undefined> {
  const { apiKeyId, organizationId, id: serviceAccountId } = call.principal;
  if (apiKeyId === "") return undefined;
  const key = await findApiKey(tx, organizationId, apiKeyId);
  const owner = await findServiceAccount(tx, organizationId, serviceAccountId);
  if (key === undefined || owner === undefined) throw notFound("API key", apiKeyId);
  return {
    end: earlier(key.expire_time, key.retire_time),
    rate: key,
    serviceAccountId,
    serviceAccountRate: owner,
  };
}

/** The highest rate that a caller can give a key of a service account. */
export function rateForKeyOf(
  own: OwnLimits | undefined,
  serviceAccountId: string,
): RateColumns | undefined {
  // Keys of one service account are bound by its rate together, whatever they have of their own.
  return own?.serviceAccountId === serviceAccountId ? own.rate : rateForServiceAccount(own);
}

/** The highest rate that a caller can give a service account, its own too. */
export function rateForServiceAccount(own: OwnLimits | undefined): RateColumns | undefined {
  return own && narrowerRate(own.rate, own.serviceAccountRate);
}
