import ipaddr from "ipaddr.js";
import { parseAddress } from "./ip-address.ts";

/** Global unicast (RFC 4291 §2.4): all that is given out. */
const globalUnicast: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse("2000::"), 3];
/** The host's own services in Azure, at an address that looks public. */
const azureHost = "168.63.129.16";

/**
 * Whether an address is one of the public internet: not of this machine, of a network around it, or of its
 * cloud's metadata, whatever form it is written in.
 */
export function isPublicAddress(text: string): boolean {
  const address = parseAddress(text);
  if (address === undefined || address.range() !== "unicast") return false;
  if (address.kind() === "ipv4") return address.toString() !== azureHost;
  return (address as ipaddr.IPv6).match(globalUnicast);
}

/** Whether an address is this machine's own. */
export function isLoopback(text: string): boolean {
  return parseAddress(text)?.range() === "loopback";
}
