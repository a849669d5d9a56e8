import type { Registry } from "prom-client";
import { Code, ServiceError } from "../errors.ts";
import { newRequestId } from "../ids.ts";
import type { App } from "../rpc/app.ts";
import { readAway } from "./body.ts";
import { ConnectHandlers } from "./connect.ts";
import { applyCors } from "./cors.ts";
import type { NodeRequest, NodeResponse } from "./node-head.ts";
import type { OpenStreams } from "./open-streams.ts";
import type { Outcomes } from "./outcome.ts";
import type { Readiness } from "./readiness.ts";
import { unknownMethod } from "./refusals.ts";
import { connectErrorJson, endOfConnectStream, trailersOf } from "./status.ts";

export interface HttpListenerOptions {
  app: App;
  outcomes: Outcomes;
  open: OpenStreams;
  readiness: Readiness;
  registry: Registry;
  corsOrigins: ReadonlySet<string>;
}

export type Listener = (request: NodeRequest, response: NodeResponse) => void;

/** Answers RPCs over Connect, gRPC-Web and gRPC, and the pages that operators ask for. */
export function createHttpListener(options: HttpListenerOptions): Listener {
  const handlers = new ConnectHandlers(options.app, options.outcomes, options.open);
  return (request, response) => {
    response.on("error", () => {});
    if (applyCors(options.corsOrigins, request, response)) return;
    const path = (request.url ?? "").split("?", 1)[0] as string;
    const page = pages.get(path);
    if (page !== undefined) showPage(page, options, response);
    else if (!handlers.has(path)) refuse(request, response, unknownMethod(path), 404);
    else if (request.method !== "POST") refuse(request, response, onlyPost(), 405);
    else if (!handlers.accepts(path, request)) refuse(request, response, unknownType(), 415);
    else if (!protocolHolds(request)) refuse(request, response, brokenHeaders(), 400);
    else void handlers.handle(path, request, response);
  };
}

function showPage(page: Page, options: HttpListenerOptions, response: NodeResponse): void {
  Promise.try(page, options, response).catch((error: unknown) => {
    options.app.log.error({ err: error }, "page not shown");
    response.destroy();
  });
}

type Page = (options: HttpListenerOptions, response: NodeResponse) => void | Promise<void>;

const pages = new Map<string, Page>([
  ["/healthz", (_, response) => sendJson(response, 200, { status: "alive" })],
  ["/readyz", readyz],
  ["/metrics", metrics],
  ["/.well-known/jwks.json", ({ app }, response) => sendJson(response, 200, app.accessTokens.jwks)],
]);

function readyz({ readiness: { faults } }: HttpListenerOptions, response: NodeResponse): void {
  const ready = Object.keys(faults).length === 0;
  sendJson(response, ready ? 200 : 503, { status: ready ? "ready" : "not ready", faults });
}

async function metrics({ registry }: HttpListenerOptions, response: NodeResponse): Promise<void> {
  const text = await registry.metrics();
  response.writeHead(200, { "content-type": registry.contentType });
  response.end(text);
}

function sendJson(response: NodeResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

/** Refuses what no handler sees, in the form of the protocol that the caller speaks. */
function refuse(
  request: NodeRequest,
  response: NodeResponse,
  error: ServiceError,
  httpStatus: number,
): void {
  const requestId = newRequestId();
  const contentType = request.headers["content-type"] ?? "";
  if (response.stream === undefined) readAway(request, response);
  if (contentType.startsWith("application/grpc")) {
    for (const [name, value] of Object.entries(trailersOf(error, requestId))) {
      response.setHeader(name, value as string);
    }
    response.writeHead(200, { "content-type": "application/grpc" });
    response.end();
    return;
  }
  response.setHeader("x-request-id", requestId);
  if (contentType.startsWith("application/connect+")) {
    response.writeHead(200, { "content-type": contentType });
    response.end(endOfConnectStream(error, requestId));
    return;
  }
  sendJson(response, httpStatus, connectErrorJson(error, requestId));
}

/** The headers of the protocols (Connect, gRPC) that connect would refuse in words of its own. */
const protocolHeaders: [string, RegExp][] = [
  ["connect-protocol-version", /^1$/],
  ["connect-timeout-ms", /^\d{1,10}$/],
  ["grpc-timeout", /^\d{1,8}[HMSmun]$/],
];

function protocolHolds({ headers }: NodeRequest): boolean {
  return protocolHeaders.every(([name, form]) => {
    const value = headers[name];
    return value === undefined || form.test(`${value}`);
  });
}

function brokenHeaders(): ServiceError {
  return new ServiceError(
    Code.invalidArgument,
    "MESSAGE_MALFORMED",
    "The request breaks its protocol. Send connect-protocol-version 1, connect-timeout-ms as digits, or grpc-timeout as digits and a unit.",
  );
}

function onlyPost(): ServiceError {
  return unsupported("RPCs are called with POST. Send the message as the body.");
}

function unknownType(): ServiceError {
  return unsupported(
    "The content type is none of application/json and application/proto (application/connect+json and application/connect+proto where the RPC streams its answer), application/grpc and application/grpc-web (the last two also with +proto or +json).",
  );
}

function unsupported(message: string): ServiceError {
  return new ServiceError(Code.unimplemented, "ENCODING_UNSUPPORTED", message);
}
