import { cors } from "@connectrpc/connect";
import type { NodeRequest, NodeResponse } from "./node-head.ts";

const allowedHeaders = [...cors.allowedHeaders, "Authorization"].join(", ");
const exposedHeaders = [...cors.exposedHeaders, "X-Request-Id"].join(", ");

/**
 * Cross-origin rules (WHATWG Fetch) for browsers on configured origins; others get no word, and so
 * nothing. Credentials travel in headers, never in cookies, so none are allowed.
 * @returns whether the request was a preflight, and is answered
 */
export function applyCors(
  origins: ReadonlySet<string>,
  request: NodeRequest,
  response: NodeResponse,
): boolean {
  const origin = request.headers.origin;
  if (origin === undefined) return false;
  response.setHeader("vary", "Origin");
  const preflight =
    request.method === "OPTIONS" && "access-control-request-method" in request.headers;
  if (origins.has(origin)) {
    response.setHeader("access-control-allow-origin", origin);
    response.setHeader("access-control-expose-headers", exposedHeaders);
    if (preflight) {
      response.setHeader("access-control-allow-methods", "POST");
      response.setHeader("access-control-allow-headers", allowedHeaders);
      response.setHeader("access-control-max-age", "7200");
    }
  }
  if (preflight) response.writeHead(204).end();
  return preflight;
}
