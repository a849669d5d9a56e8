import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

/** An address that was read strictly; `toString()` is its canonical text (RFC 5952 §4). */
export type ParsedAddress = ipaddr.IPv4 | ipaddr.IPv6;

/** IPv4 addresses in the form of IPv6 (RFC 4291 §2.5.5.2). */
const mapped: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse("::ffff:0:0"), 96];

/**
 * Reads an address as strictly as the operating system: no octal, hexadecimal or short forms.
 * An IPv4-mapped one is the IPv4 address that it stands for; one with a zone id is none, as a zone
 * means something on one machine only (RFC 4007 §6).
 */
export function parseAddress(text: string): ParsedAddress | undefined {
  // What is not an address must not reach the library, which would find one in it.
  const family = text.includes("%") ? 0 : isIP(text);
  if (family === 0) return undefined;
  if (family === 4) return ipaddr.IPv4.parse(text);
  const address = parseIPv6(text);
  return isMapped(address) ? address.toIPv4Address() : address;
}

/** @param text which `isIP` takes for IPv6, without a zone id */
export function parseIPv6(text: string): ipaddr.IPv6 {
  // The library takes the deprecated ::10.0.0.1 (RFC 4291 §2.5.5.1) for ::ffff:10.0.0.1.
  return ipaddr.IPv6.parse(text.replace(/^::(?=\d+\.)/, "0:0:0:0:0:0:"));
}

export function isMapped(address: ipaddr.IPv6): boolean {
  return address.match(mapped);
}

/** The CIDR of the network that an address is in, in canonical form. */
export function networkText(address: ParsedAddress, length: number): string {
  const family = address.kind() === "ipv4" ? ipaddr.IPv4 : ipaddr.IPv6;
  const mask = family.subnetMaskFromPrefixLength(length).toByteArray();
  const bytes = address.toByteArray().map((byte, at) => byte & (mask[at] as number));
  return `${ipaddr.fromByteArray(bytes)}/${length}`;
}

/**
 * Reads a CIDR (RFC 4632 §3.1, RFC 4291 §2.3) in its one canonical form: no bits after the prefix,
 * IPv6 as RFC 5952 §4 has it, IPv4 as IPv4.
 * @returns the network and its prefix length; undefined for everything else
 */
export function parseCanonicalCidr(text: string): [ParsedAddress, number] | undefined {
  // The longest address has 45 characters.
  const [, address = "", digits] = /^([^/]{1,45})\/(\d{1,3})$/.exec(text) ?? [];
  const network = parseAddress(address);
  const length = Number(digits);
  if (network === undefined || length > (network.kind() === "ipv4" ? 32 : 128)) return undefined;
  return networkText(network, length) === text ? [network, length] : undefined;
}
