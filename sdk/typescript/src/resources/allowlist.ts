import {
  AllowlistLevel,
  AllowlistOutcome,
  type AllowlistEntry as EntryMessage,
  type Allowlist as Message,
  type AllowlistSuggestion as SuggestionMessage,
  type TestAddressResponse,
  type AllowlistVerdict as VerdictMessage,
} from "../../../../gen/pdaas/v1/allowlist_service_pb.ts";
import { dateOf, filled, type NameOf, nameOf, present } from "./plain.ts";

/** The addresses that the calls of an organization, an account, a service account or an API key may come from. */
export interface Allowlist {
  /** Whose list: `org_…`, an account such as `acc-123`, `svc_…` or `key_…`. */
  resourceId: string;
  /** What that is. */
  level: NameOf<typeof AllowlistLevel>;
  /** Whether what the list would have refused is admitted, and recorded in the audit log. */
  reportOnly: boolean;
  /** How many entries it has, expired ones too. Without any it does not restrict. */
  entryCount: number;
}

/** An entry of an allowlist. */
export interface AllowlistEntry {
  /** `alw_…` */
  id: string;
  /** Whose list it is in: `org_…`, an account such as `acc-123`, `svc_…` or `key_…`. */
  resourceId: string;
  /** The addresses, such as `203.0.113.0/24`. */
  cidr: string;
  /** Whose addresses they are. */
  description: string;
  /** When the entry stops to admit anybody; undefined: never. */
  expireTime: Date | undefined;
  createTime: Date;
}

/** What the allowlists that apply to a resource say of an address. */
export interface AddressTest {
  /** Whether a call from the address would be admitted. */
  allowed: boolean;
  /** Whose list decides: the first one that refuses; undefined when none does. */
  decidingResourceId: string | undefined;
  /** What each list says, from the organization's to the narrowest. */
  verdicts: AllowlistVerdict[];
}

/** What one list says of an address. */
export interface AllowlistVerdict {
  /** Whose list: `org_…`, an account such as `acc-123`, `svc_…` or `key_…`. */
  resourceId: string;
  /** What that is. */
  level: NameOf<typeof AllowlistLevel>;
  outcome: NameOf<typeof AllowlistOutcome>;
  /** The entry that contains the address; undefined when none does. */
  entry: AllowlistEntry | undefined;
}

/** An entry that past use suggests. */
export interface AllowlistSuggestion {
  /** One address of IPv4, or the /64 network of IPv6. */
  cidr: string;
  /** Calls from there in the last 90 days. */
  calls: number;
  /** The latest of them. */
  lastTime: Date;
  /** Whether the list contains them already. */
  covered: boolean;
}

export function toAllowlist(message: Message): Allowlist {
  const { resourceId, level, reportOnly, entryCount } = message;
  return { resourceId, level: nameOf(AllowlistLevel, level), reportOnly, entryCount };
}

export function toEntry(message: EntryMessage): AllowlistEntry {
  return {
    id: message.id,
    resourceId: message.resourceId,
    cidr: message.cidr,
    description: message.description,
    expireTime: dateOf(message.expireTime),
    createTime: dateOf(present(message.createTime, "create_time")),
  };
}

export function toAddressTest(message: TestAddressResponse): AddressTest {
  return {
    allowed: message.allowed,
    decidingResourceId: filled(message.decidingResourceId),
    verdicts: message.verdicts.map(toVerdict),
  };
}

function toVerdict({ resourceId, level, outcome, entry }: VerdictMessage): AllowlistVerdict {
  return {
    resourceId,
    level: nameOf(AllowlistLevel, level),
    outcome: nameOf(AllowlistOutcome, outcome),
    entry: entry && toEntry(entry),
  };
}

export function toSuggestion(message: SuggestionMessage): AllowlistSuggestion {
  const { cidr, calls, lastTime, covered } = message;
  return {
    cidr,
    calls: Number(calls),
    lastTime: dateOf(present(lastTime, "last_time")),
    covered,
  };
}
