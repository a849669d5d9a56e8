import type { Allowlist } from "../../auth/allowlists.ts";
import { intersection } from "../../auth/cidr.ts";
import { Code, ServiceError } from "../../errors.ts";
import { newId } from "../../ids.ts";
import {
  type AllowlistEntryRow,
  findReportOnly,
  insertAllowlistEntry,
  listAllowlistEntries,
  setReportOnly,
} from "../../store/allowlists.ts";
import type { ApiKeyRow } from "../../store/api-keys.ts";
import type { Transaction } from "../../store/database.ts";
import type { ServiceAccountRow } from "../../store/service-accounts.ts";
import { maxAllowlistEntries } from "../allowlist/limits.ts";
import type { Call } from "../call.ts";

type Addresses = Pick<AllowlistEntryRow, "cidr" | "description" | "expire_time">[];

/**
 * Gives a new key the addresses of the key that it replaces, if it replaces one. Where a key has made
 * it, only those from which that key may call itself: else it could let itself in from anywhere.
 * @throws ServiceError PERMISSION_ESCALATION when that leaves no address
 */
export async function inheritAddresses(
  tx: Transaction,
  call: Call,
  made: { id: string; owner: ServiceAccountRow; predecessor?: ApiKeyRow },
): Promise<void> {
  const { organizationId } = call.principal;
  const { id, owner, predecessor } = made;
  const lists = restrictingOnlyCaller(call, owner).map((list) => addressesOf(list, call));
  if (predecessor !== undefined) {
    const all = { after: "", limit: maxAllowlistEntries };
    const entries = await listAllowlistEntries(tx, organizationId, predecessor.id, all);
    const reportOnly = await findReportOnly(tx, organizationId, predecessor.id);
    if (reportOnly && lists.length === 0) await setReportOnly(tx, organizationId, id, true);
    if (entries.length > 0 && !(reportOnly && lists.length > 0)) lists.push(entries);
  }
  if (lists.length === 0) return;
  const addresses = lists.reduce(narrowed);
  if (addresses.length === 0) throw nowhere();
  for (const { cidr, description, expire_time } of addresses) {
    const entry = { id: newId("alw"), organization_id: organizationId, resource_id: id };
    await insertAllowlistEntry(tx, { ...entry, cidr, description, expire_time });
  }
}

/** The lists that the calling key is held to, and a key of `owner` is not. */
function restrictingOnlyCaller(call: Call, owner: ServiceAccountRow): Allowlist[] {
  const shared = [owner.organization_id, owner.account_id, owner.id];
  const lists = call.credential?.allowlists.lists ?? [];
  return lists.filter((list) => !list.reportOnly && !shared.includes(list.resourceId));
}

function addressesOf(list: Allowlist, call: Call): Addresses {
  return list.entries.map(({ cidr, expiresAt }) => ({
    cidr,
    description: `From where ${call.principal.apiKeyId} may call`,
    expire_time: Number.isFinite(expiresAt) ? new Date(expiresAt) : null,
  }));
}

/** What two lists both contain, for as long as both do. */
function narrowed(a: Addresses, b: Addresses): Addresses {
  const both = a.flatMap((one) =>
    b.flatMap((other) =>
      intersection([one.cidr], [other.cidr]).map((cidr) => ({
        cidr,
        description: other.description,
        expire_time: earlierEnd(one.expire_time, other.expire_time),
      })),
    ),
  );
  // Of a range that is there twice, the one that lasts.
  both.sort((x, y) => lasting(y.expire_time) - lasting(x.expire_time));
  return [...new Map(both.toReversed().map((entry) => [entry.cidr, entry])).values()];
}

function earlierEnd(a: Date | null, b: Date | null): Date | null {
  return lasting(a) < lasting(b) ? a : b;
}

const never = Number.MAX_SAFE_INTEGER;
const lasting = (end: Date | null) => end?.getTime() ?? never;

function nowhere(): ServiceError {
  return new ServiceError(
    Code.permissionDenied,
    "PERMISSION_ESCALATION",
    "Your key may call from some addresses only, and the new key from none of them. Ask an administrator to do it.",
  );
}
