import type { Allowlist } from "../../auth/allowlists.ts";
import { AddressRange } from "../../auth/cidr.ts";
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
import { earlier } from "./end-of-life.ts";
import { listsBeyond, type OwnLimits } from "./own-limits.ts";

type Addresses = Pick<AllowlistEntryRow, "cidr" | "description" | "expire_time">[];

/**
 * Gives a new key the addresses of the key that it replaces, if it replaces one. Where a key has made
 * it, only those from which that key may call itself: else it could let itself in from anywhere.
 * @throws ServiceError PERMISSION_ESCALATION when that leaves no address, or too many ranges
 */
export async function inheritAddresses(
  tx: Transaction,
  call: Call,
  own: OwnLimits | undefined,
  made: { id: string; owner: ServiceAccountRow; predecessor?: ApiKeyRow },
): Promise<void> {
  const { id, owner, predecessor } = made;
  const shared = [owner.organization_id, owner.account_id, owner.id];
  const lists = own === undefined ? [] : listsBeyond(own, shared).map((l) => toLimit(l, call));
  if (predecessor !== undefined) lists.push(...(await limitsOf(tx, predecessor)));
  // What only reports goes on to, where nothing refuses.
  const refusing = lists.filter((list) => !list.reportOnly);
  const chosen = refusing.length > 0 ? refusing : lists;
  if (chosen.length === 0) return;
  const addresses = chosen.map((list) => list.addresses).reduce(narrowed);
  if (addresses.length === 0 || addresses.length > maxAllowlistEntries) throw nowhere();
  if (refusing.length === 0) await setReportOnly(tx, owner.organization_id, id, true);
  for (const { cidr, description, expire_time } of addresses) {
    const entry = { id: newId("alw"), organization_id: owner.organization_id, resource_id: id };
    await insertAllowlistEntry(tx, { ...entry, cidr, description, expire_time });
  }
}

interface Limit {
  reportOnly: boolean;
  addresses: Addresses;
}

/** The list of a key itself, if it has one. */
async function limitsOf(tx: Transaction, key: ApiKeyRow): Promise<Limit[]> {
  const all = { after: "", limit: maxAllowlistEntries };
  const addresses = await listAllowlistEntries(tx, key.organization_id, key.id, all);
  if (addresses.length === 0) return [];
  return [{ reportOnly: await findReportOnly(tx, key.organization_id, key.id), addresses }];
}

function toLimit(list: Allowlist, call: Call): Limit {
  return { reportOnly: list.reportOnly, addresses: addressesOf(list, call) };
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
  const ranges = b.map((other) => ({ other, range: new AddressRange(other.cidr) }));
  const both = a.flatMap((one) => {
    const own = new AddressRange(one.cidr);
    return ranges
      .filter(({ range }) => own.covers(range) || range.covers(own))
      .map(({ other, range }) => ({
        cidr: own.covers(range) ? other.cidr : one.cidr,
        description: other.description,
        expire_time: earlier(one.expire_time, other.expire_time),
      }));
  });
  // Of a range that is there twice, the one that lasts.
  both.sort((x, y) => lasting(y.expire_time) - lasting(x.expire_time));
  return [...new Map(both.toReversed().map((entry) => [entry.cidr, entry])).values()];
}

const never = Number.MAX_SAFE_INTEGER;
const lasting = (end: Date | null) => end?.getTime() ?? never;

function nowhere(): ServiceError {
  return new ServiceError(
    Code.permissionDenied,
    "PERMISSION_ESCALATION",
    "Your key may call from some addresses only, and the new key from none of them, or by too many ranges. Ask an administrator to do it.",
  );
}
