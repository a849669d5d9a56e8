import type { AllowlistItem } from "../store/allowlists.ts";
import { AddressRange, type ParsedAddress, parseAddress } from "./cidr.ts";

/** What an allowlist is of, from the widest to the narrowest. */
export type AllowlistLevel = "ORGANIZATION" | "ACCOUNT" | "SERVICE_ACCOUNT" | "API_KEY";

const levels: AllowlistLevel[] = ["ORGANIZATION", "ACCOUNT", "SERVICE_ACCOUNT", "API_KEY"];

/** What the identifier of a resource says of its kind: that of an account is chosen, and has no `_`. */
export function levelOf(resourceId: string): AllowlistLevel {
  if (resourceId.startsWith("org_")) return "ORGANIZATION";
  if (resourceId.startsWith("svc_")) return "SERVICE_ACCOUNT";
  return resourceId.startsWith("key_") ? "API_KEY" : "ACCOUNT";
}

interface Entry {
  readonly id: string;
  readonly cidr: string;
  readonly range: AddressRange;
  /** Unix milliseconds; Infinity without an end. */
  readonly expiresAt: number;
}

/** A list with entries: it restricts, also when they have all expired. */
export interface Allowlist {
  readonly resourceId: string;
  readonly level: AllowlistLevel;
  readonly reportOnly: boolean;
  readonly entries: readonly Entry[];
}

/** What several lists say of an address together. */
export interface Judgement {
  /** The first list that refuses it. */
  readonly refusing: Allowlist | undefined;
  /** The first list that would, if it did not only report. */
  readonly reporting: Allowlist | undefined;
}

const admitted: Judgement = { refusing: undefined, reporting: undefined };

/** The allowlists that apply to a caller, those without entries left out. All of them must agree. */
export class Allowlists {
  static readonly none = new Allowlists([]);

  /** From the widest to the narrowest. */
  readonly lists: readonly Allowlist[];
  /** About what they take of memory. */
  readonly bytes: number;
  // Calls come from the same address again and again.
  #address = "";
  #judgement = admitted;
  #judgedFrom = 0;
  #judgedUntil = 0;

  private constructor(lists: readonly Allowlist[]) {
    this.lists = lists;
    this.bytes = lists.reduce((sum, list) => sum + 200 + 250 * list.entries.length, 0);
  }

  /** @param text as allowlistsOf selects it */
  static of(text: string | null): Allowlists {
    if (text === null) return Allowlists.none;
    const items = Map.groupBy(JSON.parse(text) as AllowlistItem[], ([resourceId]) => resourceId);
    const lists = [...items].map(([resourceId, ofResource]) => ({
      resourceId,
      level: levelOf(resourceId),
      reportOnly: ofResource[0]?.[1] === true,
      entries: ofResource.map(toEntry),
    }));
    return new Allowlists(lists.sort((a, b) => levels.indexOf(a.level) - levels.indexOf(b.level)));
  }

  /**
   * @param address empty where it is not known, which no list contains
   * @param now Unix milliseconds
   */
  judge(address: string, now: number): Judgement {
    if (this.lists.length === 0) return admitted;
    const isKnown = address === this.#address && now >= this.#judgedFrom && now < this.#judgedUntil;
    if (isKnown) return this.#judgement;
    const parsed = parseAddress(address);
    const missing = this.lists.filter((list) => find(list, parsed, now) === undefined);
    this.#judgement = {
      refusing: missing.find((list) => !list.reportOnly),
      reporting: missing.find((list) => list.reportOnly),
    };
    this.#address = address;
    this.#judgedFrom = now;
    this.#judgedUntil = this.#nextExpiry(now);
    return this.#judgement;
  }

  #nextExpiry(now: number): number {
    const times = this.lists.flatMap((list) => list.entries.map((entry) => entry.expiresAt));
    return Math.min(...times.filter((time) => time > now), Number.POSITIVE_INFINITY);
  }
}

function toEntry([, , cidr, expiresAt, id]: AllowlistItem): Entry {
  const range = new AddressRange(cidr);
  return { id, cidr, range, expiresAt: expiresAt ?? Number.POSITIVE_INFINITY };
}

/** The entry that contains an address; undefined when none does. */
export function find(
  list: Allowlist,
  address: ParsedAddress | undefined,
  now: number,
): Entry | undefined {
  if (address === undefined) return undefined;
  return list.entries.find(({ range, expiresAt }) => now < expiresAt && range.contains(address));
}
