import { networkOrSame } from "../auth/cidr.ts";
import type { AuditedCall, Outcome } from "./entry.ts";

/** So many alike are recorded each by itself; those that follow in the same window become one entry. */
const maxAlone = 10;
/** So many of one organization; of those that follow, all that have the same reason become one entry. */
const maxAloneOfOrganization = 1_000;

/** What makes refusals alike is who, what, why and from where. */
export type Result = Pick<Outcome, "outcome" | "reason">;

interface Group {
  alone: number;
  /** Those that are not recorded by themselves; undefined while there are none. */
  together: { call: AuditedCall; result: Outcome } | undefined;
}

/** Refusals of one window of time, by what makes them alike. */
export class FloodWindow {
  readonly #groups = new Map<string, Group>();
  readonly #aloneOf = new Map<string, number>();
  #size = 0;

  /** How many entries it will make. */
  get size(): number {
    return this.#size;
  }

  /** @returns whether it counts the refusal, so that it is not to be recorded by itself */
  counts(call: AuditedCall, { outcome, reason }: Result, time: Date): boolean {
    const { organizationId } = call;
    const alone = this.#aloneOf.get(organizationId) ?? 0;
    const isFlooded = alone >= maxAloneOfOrganization;
    const group = this.#groupOf(isFlooded ? broadKeyOf(call, reason) : keyOf(call, reason));
    if (!isFlooded && group.alone < maxAlone) {
      group.alone++;
      this.#aloneOf.set(organizationId, alone + 1);
      return false;
    }
    if (group.together === undefined) {
      group.together = { call, result: { outcome, reason, time, count: 1 } };
      this.#size++;
      return true;
    }
    group.together.result.count++;
    group.together.result.lastTime = time;
    group.together.call = common(group.together.call, call);
    return true;
  }

  /** Those that were counted together. */
  *[Symbol.iterator](): Generator<{ call: AuditedCall; result: Outcome }> {
    for (const { together } of this.#groups.values()) if (together !== undefined) yield together;
  }

  #groupOf(key: string): Group {
    const group = this.#groups.get(key) ?? { alone: 0, together: undefined };
    this.#groups.set(key, group);
    return group;
  }
}

/** What several calls are about and who has made them, where that is the same. */
function common(first: AuditedCall, other: AuditedCall): AuditedCall {
  const isSameCaller = first.principal?.id === other.principal?.id;
  const isSameKey = apiKeyOf(first) === apiKeyOf(other);
  return {
    ...first,
    principal: isSameCaller && isSameKey ? first.principal : undefined,
    apiKeyId: isSameKey ? first.apiKeyId : undefined,
    resourceId: first.resourceId === other.resourceId ? first.resourceId : "",
    parentId: first.parentId === other.parentId ? (first.parentId ?? "") : "",
    accountId: first.accountId === other.accountId ? (first.accountId ?? "") : "",
    address: first.address === other.address ? first.address : "",
    userAgent: first.userAgent === other.userAgent ? first.userAgent : "",
  };
}

const apiKeyOf = ({ principal, apiKeyId }: AuditedCall) => principal?.apiKeyId ?? apiKeyId;

/** Whoever has one address of IPv6 has its whole network. */
function keyOf(call: AuditedCall, reason: string): string {
  const { organizationId, principal, action, address } = call;
  const network = networkOrSame(address);
  return JSON.stringify([organizationId, principal?.id, apiKeyOf(call), action, reason, network]);
}

function broadKeyOf({ organizationId, action }: AuditedCall, reason: string): string {
  return JSON.stringify([organizationId, action, reason]);
}
