import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { isLoopback, isPublicAddress } from "../../auth/outbound-address.ts";
import { Code, ServiceError } from "../../errors.ts";

/**
 * Reads where a sink is to be. In production its host must have public addresses only: else whoever makes
 * a sink could reach what only the service can.
 * @throws ServiceError AUDIT_SINK_URL_REFUSED
 */
export async function readSinkUrl(text: string, isProduction: boolean): Promise<string> {
  const url = URL.parse(text);
  if (url === null) throw refused("is no URL");
  if (url.username !== "" || url.password !== "" || /[?#]/.test(url.href)) {
    throw refused("must have no user, query and fragment");
  }
  const isPlain = url.protocol === "http:";
  if (url.protocol !== "https:" && !(isPlain && !isProduction && isLoopbackName(url))) {
    throw refused("must be https://…");
  }
  if (isProduction && !(await hasPublicAddresses(hostOf(url)))) {
    throw refused("must be of a host that can be found, and has public addresses only");
  }
  return url.href;
}

/** Whether a delivery may go to an address that its host has. */
export function mayDeliverTo(url: URL, address: string, isProduction: boolean): boolean {
  if (isProduction) return url.protocol === "https:" && isPublicAddress(address);
  return url.protocol === "https:" || isLoopback(address);
}

/** The host of a URL, an IPv6 address without its brackets. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, "$1");
}

function isLoopbackName(url: URL): boolean {
  return url.hostname === "localhost" || isLoopback(hostOf(url));
}

async function hasPublicAddresses(host: string): Promise<boolean> {
  if (isIP(host) !== 0) return isPublicAddress(host);
  const found = await lookup(host, { all: true }).catch(() => []);
  return found.length > 0 && found.every(({ address }) => isPublicAddress(address));
}

function refused(why: string): ServiceError {
  return new ServiceError(
    Code.invalidArgument,
    "AUDIT_SINK_URL_REFUSED",
    `Audit events cannot be delivered there: the URL ${why}.`,
    { violations: [{ field: "url", description: why }] },
  );
}
