import type { AuditedCall, Outcome } from "./entry.ts";

/** So many alike are recorded each by itself; those that follow in the same window become one entry. */
const maxAlone = 10;

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
  #size = 0;

  /** How many entries it will make. */
  get size(): number {
    return this.#size;
  }

  /** @returns whether it counts the refusal, so that it is not to be recorded by itself */
  counts(call: AuditedCall, { outcome, reason }: Result, time: Date): boolean {
    const key = keyOf(call, reason);
    const group = this.#groups.get(key) ?? { alone: 0, together: undefined };
    this.#groups.set(key, group);
    if (group.alone < maxAlone) {
      group.alone++;
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
}

/** What several calls are about, where that is the same. */
function common(first: AuditedCall, other: AuditedCall): AuditedCall {
  const resourceId = first.resourceId === other.resourceId ? first.resourceId : "";
  const parentId = first.parentId === other.parentId ? first.parentId : "";
  const accountId = first.accountId === other.accountId ? first.accountId : "";
  return {
    ...first,
    resourceId,
    ...(parentId !== undefined && { parentId }),
    ...(accountId !== undefined && { accountId }),
  };
}

function keyOf(call: AuditedCall, reason: string): string {
  const { organizationId, principal, action, address } = call;
  const apiKeyId = principal?.apiKeyId ?? call.apiKeyId;
  return JSON.stringify([organizationId, principal?.id, apiKeyId, action, reason, address]);
}
