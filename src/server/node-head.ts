import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, ServerHttp2Stream } from "node:http2";
import type { RequestHead } from "../auth/request-head.ts";

export type NodeRequest = IncomingMessage | Http2ServerRequest;
/** Of HTTP/1.1, or of HTTP/2 in the same form, with its stream. */
export type NodeResponse = ServerResponse & { stream?: ServerHttp2Stream };

/** The head of a request as Node gives it: names in lower case, repeated headers joined by ", ". */
export class NodeHead implements RequestHead {
  readonly method: string;
  readonly authority: string;
  readonly target: string;
  readonly #headers: IncomingHttpHeaders;

  constructor(method: string, authority: string, target: string, headers: IncomingHttpHeaders) {
    this.method = method;
    this.authority = authority;
    this.target = target;
    this.#headers = headers;
  }

  header(name: string): string | undefined {
    const value: unknown = this.#headers[name];
    if (typeof value === "string") return value;
    // A name may be a caller's own, and what an object inherits under it is no header.
    return Array.isArray(value) ? value.join(", ") : undefined;
  }
}

/** An IPv4 address that came in on a dual-stack socket is told as what it is; a zone is of this machine only. */
export function peerAddress(remoteAddress: string | undefined): string {
  return (remoteAddress ?? "").replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
}
