import { CidrError, refusal } from "./cidr-refusal.ts";
import { networkText, type ParsedAddress, parseAddress, parseCanonicalCidr } from "./ip-address.ts";

export { CidrError } from "./cidr-refusal.ts";
export { type ParsedAddress, parseAddress } from "./ip-address.ts";

/**
 * Takes a CIDR only in its one canonical form, so that no two programs read it differently.
 * @returns the text itself
 * @throws CidrError which says what to write instead
 */
export function canonicalCidr(text: string): string {
  if (parseCanonicalCidr(text) === undefined) throw refusal(text);
  return text;
}

/** The addresses of one CIDR. */
export class AddressRange {
  readonly cidr: string;
  readonly #network: ParsedAddress;
  readonly #length: number;

  /** @throws CidrError when it is not canonical */
  constructor(cidr: string) {
    const parsed = parseCanonicalCidr(cidr);
    if (parsed === undefined) throw refusal(cidr);
    this.cidr = cidr;
    [this.#network, this.#length] = parsed;
  }

  contains(address: ParsedAddress): boolean {
    return address.kind() === this.#network.kind() && address.match(this.#network, this.#length);
  }

  /** Whether every address of the other range is in this one. */
  covers(other: AddressRange): boolean {
    return this.#length <= other.#length && this.contains(other.#network);
  }
}

/**
 * The CIDRs of the addresses that are in both lists; no two of them overlap.
 * @throws CidrError when one is not canonical
 */
export function intersection(a: readonly string[], b: readonly string[]): string[] {
  const left = rangesOf(a);
  const right = rangesOf(b);
  // Two CIDRs are nested or apart, so what they have in common is the narrower one.
  const common = new Set([...coveredBy(left, right), ...coveredBy(right, left)]);
  return widest(rangesOf(common)).map(({ cidr }) => cidr);
}

function rangesOf(cidrs: Iterable<string>): AddressRange[] {
  return Array.from(cidrs, (cidr) => new AddressRange(cidr));
}

function coveredBy(ranges: AddressRange[], others: AddressRange[]): string[] {
  const covered = ranges.filter((range) => others.some((other) => other.covers(range)));
  return covered.map(({ cidr }) => cidr);
}

function widest(ranges: AddressRange[]): AddressRange[] {
  return ranges.filter((range) => !ranges.some((other) => other !== range && other.covers(range)));
}

/**
 * What to allow for an address that was seen: IPv4 as it is, of IPv6 the /64, within which machines
 * change their address as they like (RFC 8981).
 * @throws CidrError when it is not an address
 */
export function networkOf(address: string): string {
  const parsed = parseAddress(address);
  if (parsed === undefined) {
    throw new CidrError(`${JSON.stringify(address.slice(0, 64))} is not an IP address.`);
  }
  return networkText(parsed, parsed.kind() === "ipv4" ? 32 : 64);
}

/** The network of an address that was seen; what is none, such as one with a zone, as it is. */
export function networkOrSame(address: string): string {
  return parseAddress(address) === undefined ? address : networkOf(address);
}
