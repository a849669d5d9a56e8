import type { IncomingHttpHeaders } from "node:http";
import type { RequestHead } from "../auth/request-head.ts";

/** The head of a request as Node gives it: names in lower case, repeated headers joined by ", ". */
export function requestHead(
  method: string,
  authority: string,
  target: string,
  headers: IncomingHttpHeaders,
): RequestHead {
  return {
    method,
    authority,
    target,
    header(name) {
      const value = headers[name];
      return Array.isArray(value) ? value.join(", ") : value;
    },
  };
}

/** An IPv4 address that came in on a dual-stack socket is told as what it is. */
export function peerAddress(remoteAddress: string | undefined): string {
  return (remoteAddress ?? "").replace(/^::ffff:(?=\d+\.)/i, "");
}
