import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import {
  isMapped,
  networkText,
  type ParsedAddress,
  parseAddress,
  parseCanonicalCidr,
  parseIPv6,
} from "./ip-address.ts";

/** Text that is not a CIDR in canonical form; the message tells what to write instead. */
export class CidrError extends Error {
  /** What was most likely meant, in canonical form. */
  readonly canonical: string | undefined;

  constructor(message: string, canonical?: string) {
    super(message);
    this.canonical = canonical;
  }
}

/** What is wrong with a text. */
interface Problem {
  what: string;
  /** The text without this problem; it may have others. */
  better?: string;
  /** What to do when there is nothing better to offer. */
  advice?: string;
}

const maxLength = 64;
const example = "Write a network such as 10.0.0.0/8 or 2001:db8::/32.";

/** Tells what is wrong with a text that is not canonical, and what to write instead. */
export function refusal(text: string): CidrError {
  if (text.length > maxLength) {
    return new CidrError(`A network has at most ${maxLength} characters. ${example}`);
  }
  const { what, better, advice = example } = problemOf(text);
  const quoted = JSON.stringify(text);
  if (better === undefined) return new CidrError(`${quoted} ${what}. ${advice}`);
  const next = canonicalOf(better);
  // Of several problems, the one that nothing can be offered for is the one to tell.
  if (next instanceof CidrError) return next;
  return new CidrError(`${quoted} ${what}. Write ${next}.`, next);
}

/** What can be offered for a text, or else what is wrong with it. */
function canonicalOf(text: string): string | CidrError {
  if (parseCanonicalCidr(text) !== undefined) return text;
  const error = refusal(text);
  return error.canonical ?? error;
}

function problemOf(text: string): Problem {
  const trimmed = text.replaceAll(/^\s+|\s+$|\s*(\/)\s*/g, "$1");
  if (trimmed === "") return { what: "is empty" };
  if (trimmed !== text) return { what: "has spaces", better: trimmed };
  const foreign = /[^!-~]/u.exec(text)?.[0].codePointAt(0);
  if (foreign !== undefined) {
    const code = foreign.toString(16).toUpperCase().padStart(4, "0");
    return { what: `has a character that no network has (U+${code})` };
  }
  if (text.includes("%")) {
    const better = text.replaceAll(/%[^/]*/g, "");
    return { what: "has a zone id, which means something on one machine only", better };
  }
  const [address = "", length, more] = text.split("/");
  if (more !== undefined) return { what: "has more than one prefix length" };
  if (isIP(address) === 0) return addressProblem(address, text.slice(address.length));
  if (length === undefined) {
    const better = `${address}/${maxBits(address)}`;
    return { what: "is an address without a prefix length", better };
  }
  return lengthProblem(address, length) ?? formProblem(address, Number(length));
}

/** An address that is none, with what follows it: some programs would find an IPv4 address in it. */
function addressProblem(address: string, rest: string): Problem {
  if (!/^\w+(\.\w+){3}$/.test(address)) {
    const isShort = /^\w+(\.\w+){0,2}$/.test(address) && ipaddr.IPv4.isValid(address);
    return { what: isShort ? "has fewer than four parts" : "does not begin with an IP address" };
  }
  const decimal = address.replaceAll(/\b0+(?=\d)/g, "");
  const [first, second = first] = [decimal, address]
    .filter((text) => ipaddr.IPv4.isValid(text))
    .map((text) => `${ipaddr.IPv4.parse(text)}${rest}`)
    .map((text) => {
      const canonical = canonicalOf(text);
      return canonical instanceof CidrError ? text : canonical;
    });
  if (first === undefined) return { what: "does not begin with an IP address" };
  if (first === second) return { what: "has hexadecimal parts or leading zeros", better: first };
  return {
    what: `is ${first} to some programs and ${second} to others, which take a leading 0 for octal`,
    advice: "Write the one you mean.",
  };
}

function lengthProblem(address: string, length: string): Problem | undefined {
  if (isIP(length) !== 0) return netmaskProblem(address, length);
  if (length === "") return { what: "has no prefix length after the /" };
  if (!/^\+?\d+$/.test(length)) return { what: "has a prefix length that is not a whole number" };
  const max = maxBits(address);
  if (Number(length) > max) return { what: `has a prefix length above ${max}` };
  if (/^(0|[1-9]\d*)$/.test(length)) return undefined;
  const better = `${address}/${Number(length)}`;
  return { what: "has a prefix length with a sign or leading zeros", better };
}

function netmaskProblem(address: string, netmask: string): Problem {
  const mask = isIP(netmask) === 4 ? ipaddr.IPv4.parse(netmask) : parseIPv6(netmask);
  const length = isIP(netmask) === isIP(address) ? mask.prefixLengthFromSubnetMask() : null;
  // A mask of zeros allows everyone as a netmask, and one address as a wildcard mask.
  if (length === null || length === 0) {
    return { what: "has an address after the /, where a prefix length belongs" };
  }
  return { what: "has a netmask instead of a prefix length", better: `${address}/${length}` };
}

/** Of an address and a prefix length that are both right, but not what the canonical form has. */
function formProblem(address: string, length: number): Problem {
  const parsed = parseAddress(address) as ParsedAddress;
  if (isIP(address) === 6 && isMapped(parseIPv6(address))) {
    const what = "is an IPv4 network in the form of IPv6";
    if (length >= 96) return { what, better: `${parsed}/${length - 96}` };
    return { what: `${what}, with a prefix length below 96` };
  }
  const better = networkText(parsed, length);
  const isNetwork = better === `${parsed}/${length}`;
  const what = isNetwork ? "is not in canonical form" : "has bits set after its prefix";
  return { what, better };
}

function maxBits(address: string): number {
  return isIP(address) === 4 ? 32 : 128;
}
