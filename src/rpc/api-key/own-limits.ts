import type { Allowlist } from "../../auth/allowlists.ts";
import { Code, notFound, ServiceError } from "../../errors.ts";
import { findApiKey } from "../../store/api-keys.ts";
import type { Transaction } from "../../store/database.ts";
import { findServiceAccount, type ServiceAccountRow } from "../../store/service-accounts.ts";
import type { Call } from "../call.ts";
import { ensureRateWithin, narrowerRate, type RateColumns } from "../rate-limit.ts";
import { earlier, ensureNoLonger } from "./end-of-life.ts";
import type { OwnedKey } from "./lock-api-key.ts";

/** What a calling key is bound by, and so all that it makes. */
export interface OwnLimits {
  /** When the key stops being honoured; null for never. */
  end: Date | null;
  /** How often it may call, whatever its service account may. */
  rate: RateColumns;
  serviceAccountId: string;
  serviceAccountRate: RateColumns;
  /** What it may at most; null: all that its service account may. */
  permissionLimit: string[] | null;
  /** Where it may call from, by lists that refuse. */
  allowlists: readonly Allowlist[];
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
    permissionLimit: key.permission_limit,
    allowlists: call.credential?.allowlists.lists ?? [],
  };
}

/**
 * Holds that a key gives no limit of permissions that is wider than its own, also where that would not
 * count today: its service account may be given more tomorrow.
 * @throws ServiceError PERMISSION_ESCALATION
 */
export function ensureLimitWithin(own: OwnLimits | undefined, limit: string[] | null): void {
  const most = own?.permissionLimit ?? null;
  if (most === null || most.includes("*")) return;
  if (limit?.every((permission) => most.includes(permission))) return;
  throw new ServiceError(
    Code.permissionDenied,
    "PERMISSION_ESCALATION",
    `Your key may do no more than ${most.join(", ") || "what takes no permission"}, and cannot let another do more. Set a permission_limit within that, or ask an administrator to do it.`,
  );
}

/** A key, or all keys of a service account, that a change gives power to. */
export interface Empowered {
  end: Date | null;
  rate: RateColumns;
  mostRate: RateColumns | undefined;
  /** The resources whose allowlists hold for it. */
  resourceIds: readonly string[];
}

/**
 * Holds that a key gives no power to what outlives it, may call oftener or from elsewhere.
 * @throws ServiceError PERMISSION_ESCALATION
 */
export function ensureWithin(own: OwnLimits | undefined, empowered: Empowered): void {
  if (own === undefined) return;
  ensureNoLonger(empowered.end, own.end);
  ensureRateWithin(empowered.mostRate, empowered.rate);
  if (listsBeyond(own, empowered.resourceIds).every((list) => list.reportOnly)) return;
  throw new ServiceError(
    Code.permissionDenied,
    "PERMISSION_ESCALATION",
    "Your key may call from some addresses only, and what you give power to is not held to them. Ask an administrator to do it.",
  );
}

/** The lists that the calling key is held to, and what belongs to these resources is not. */
export function listsBeyond(own: OwnLimits, resourceIds: readonly string[]): Allowlist[] {
  return own.allowlists.filter((list) => !resourceIds.includes(list.resourceId));
}

/** What `ensureWithin` takes for one key. */
export function keyEmpowered(own: OwnLimits | undefined, { key, owner }: OwnedKey): Empowered {
  return {
    end: earlier(key.expire_time, key.retire_time),
    rate: key,
    mostRate: rateForKeyOf(own, owner.id),
    resourceIds: [owner.organization_id, owner.account_id, owner.id, key.id],
  };
}

/** What `ensureWithin` takes for all keys of a service account. */
export function ownerEmpowered(own: OwnLimits | undefined, owner: ServiceAccountRow): Empowered {
  return {
    end: null,
    rate: owner,
    mostRate: rateForServiceAccount(own),
    resourceIds: [owner.organization_id, owner.account_id, owner.id],
  };
}

/** What `ensureWithin` takes for whoever is no service account, or may be many: no limits are on them. */
export function othersEmpowered(own: OwnLimits | undefined, organizationId: string): Empowered {
  return {
    end: null,
    rate: { rate_per_second: null, rate_burst: null },
    mostRate: rateForServiceAccount(own),
    resourceIds: [organizationId],
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
