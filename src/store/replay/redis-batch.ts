import { hash } from "node:crypto";
import { paceOf } from "./rate-limits.ts";
import type { NonceClaim, NonceVerdict, RateLimit } from "./replay-store.ts";

/** What the admission script is given for some claims, and what its answer means to each. */
export class RedisBatch {
  readonly #claims: readonly NonceClaim[];
  readonly #prefix: string;
  readonly #keys: string[];
  /** The number of each organization's key, counted from 1. */
  readonly #epochs = new Map<string, number>();
  /** The number of each limit's key. */
  readonly #buckets = new Map<string, number>();
  /** The numbers of the claims that share a list, as those of one credential do. */
  readonly #limited = new Map<readonly RateLimit[], number[]>();

  /** @param prefix of all keys */
  constructor(prefix: string, claims: readonly NonceClaim[]) {
    this.#prefix = prefix;
    this.#claims = claims;
    this.#keys = [`${prefix}birth`, `${prefix}page`];
  }

  /** How many keys, the keys, and what else the script takes. */
  arguments(): (string | number)[] {
    const argv: (string | number)[] = [this.#claims.length];
    for (const [i, claim] of this.#claims.entries()) {
      argv.push(digestOf(claim));
      this.#numberOf(claim.organizationId, this.#epochs, "e");
      if (claim.limits.length > 0) this.#addLimited(claim.limits, i + 1);
    }
    for (const [limits, claims] of this.#limited) {
      argv.push(limits.length, claims.length);
      for (const limit of limits) {
        const { interval, early } = paceOf(limit);
        const key = this.#numberOf(limit.id, this.#buckets, "l");
        argv.push(key, interval, early, Math.ceil((interval + early) / 1_000) + 10);
      }
      argv.push(...claims);
    }
    return [this.#keys.length, ...this.#keys, ...argv];
  }

  /** The script's answer to each claim. */
  verdicts(answer: readonly (string | number | null)[]): NonceVerdict[] {
    const birth = Number(answer[0]);
    return this.#claims.map(({ organizationId }, i) => {
      const epoch = answer[(this.#epochs.get(organizationId) as number) - 1] ?? undefined;
      const admission = Number(answer[this.#keys.length + i]);
      return {
        fresh: admission >= 1,
        epoch: epoch === undefined ? undefined : Number(epoch),
        birth,
        retryAfterMs: Math.max(0, admission - 1),
      };
    });
  }

  #addLimited(limits: readonly RateLimit[], claim: number): void {
    const claims = this.#limited.get(limits);
    if (claims === undefined) this.#limited.set(limits, [claim]);
    else claims.push(claim);
  }

  #numberOf(id: string, numbers: Map<string, number>, kind: "e" | "l"): number {
    const known = numbers.get(id);
    if (known !== undefined) return known;
    const number = this.#keys.push(`${this.#prefix}${kind}${id}`);
    numbers.set(id, number);
    return number;
  }
}

/** 130 bits stand for the key and the nonce: less memory, and no two alike by chance. */
function digestOf({ keyId, nonce }: NonceClaim): string {
  return hash("sha256", `${keyId}:${nonce}`, "base64url").slice(-22);
}
