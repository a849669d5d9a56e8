import { AddressRange, type ParsedAddress, parseAddress } from "./cidr.ts";
import type { RequestHead } from "./request-head.ts";

/** The header that the proxies write; what it names, in lower case. */
export type ForwardedHeader = "x-forwarded-for" | "forwarded";

/** How a header lists addresses, the latest one last. */
interface Chain {
  /** Where the element begins that ends before `end`, which is 0 or the place of a comma. */
  elementStart(header: string, end: number): number;
  addressIn(element: string): ParsedAddress | undefined;
}

const chains: Record<ForwardedHeader, Chain> = {
  "x-forwarded-for": {
    elementStart: (header, end) => header.lastIndexOf(",", end - 1) + 1,
    addressIn: (element) => parseNode(/^[\t ]*([^\t ]+)[\t ]*$/.exec(element)?.[1] ?? ""),
  },
  forwarded: { elementStart: forwardedStart, addressIn: forwardedFor },
};

/** Tells where requests come from that went through proxies of ours. */
export class TrustedProxies {
  readonly #ranges: readonly AddressRange[];
  readonly #header: ForwardedHeader;

  /**
   * @param header the one that is read: a proxy passes the other one on as its client wrote it
   * @throws CidrError when a CIDR is not canonical
   */
  constructor(cidrs: Iterable<string>, header: ForwardedHeader) {
    this.#ranges = Array.from(cidrs, (cidr) => new AddressRange(cidr));
    this.#header = header;
  }

  /**
   * The address of whoever first spoke to a proxy of ours, in canonical form.
   * @param peer the address that the connection came from
   * @returns "" when it cannot be known: no allowlist has that, while it may have a proxy's
   */
  sourceAddress(peer: string, head: Pick<RequestHead, "header">): string {
    if (this.#ranges.length === 0 || !this.#trusts(parseAddress(peer))) return peer;
    const header = head.header(this.#header);
    // What a proxy asks for itself, such as whether this service is alive.
    if (header === undefined) return peer;
    return this.#firstUntrusted(header)?.toString() ?? "";
  }

  /** From the right: each proxy adds whom it was spoken to by, and only what ours added is true. */
  #firstUntrusted(header: string): ParsedAddress | undefined {
    const { elementStart, addressIn } = chains[this.#header];
    let end = header.length;
    for (;;) {
      const start = elementStart(header, end);
      const address = addressIn(header.slice(start, end));
      if (start === 0 || !this.#trusts(address)) return address;
      end = start - 1;
    }
  }

  #trusts(address: ParsedAddress | undefined): boolean {
    return address !== undefined && this.#ranges.some((range) => range.contains(address));
  }
}

/** An address with or without a port (RFC 7239 §6); a bare IPv6 address has none. */
function parseNode(text: string): ParsedAddress | undefined {
  const [, ipv6, ipv4] = /^(?:\[([\da-f:.]+)\]|([\d.]+))(?::\d{1,5})?$/i.exec(text) ?? [];
  if (ipv6 !== undefined) return ipv6.includes(":") ? parseAddress(ipv6) : undefined;
  return parseAddress(ipv4 ?? text);
}

/**
 * Goes by quotes from the right too: on the left is what a client wrote, and a quote that it left
 * open must not swallow what a proxy added after it.
 */
function forwardedStart(header: string, end: number): number {
  let quoted = false;
  for (let at = end - 1; at >= 0; at--) {
    const char = header[at];
    // What opens a string has "=" before it, so a quote after a backslash is within one.
    if (char === '"') quoted = !quoted || header[at - 1] === "\\";
    else if (char === "," && !quoted) return at + 1;
  }
  return 0;
}

/** One pair of an element with what separates it from the next (RFC 7239 §4, RFC 9110 §5.6). */
const pair =
  /[\t ]*(?:([\w!#$%&'*+.^`|~-]+)=(?:([\w!#$%&'*+.^`|~-]+)|"((?:[^"\\]|\\.)*)")[\t ]*)?(?:;[;\t ]*|$)/gy;

/** The address of `for`, if an element has one. */
function forwardedFor(element: string): ParsedAddress | undefined {
  const pairs = [...element.matchAll(pair)];
  const isWhole = pairs.map(([text]) => text).join("") === element;
  const nodes = pairs.filter(([, name]) => name?.toLowerCase() === "for");
  const [, , token, quoted] = nodes[0] ?? [];
  if (!isWhole || nodes.length > 1) return undefined;
  return parseNode(token ?? quoted?.replaceAll(/\\(.)/g, "$1") ?? "");
}
