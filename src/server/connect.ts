import { constants } from "node:http2";
import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import {
  ConnectError,
  type ContextValues,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type MethodImpl,
} from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import {
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import type { ServiceError } from "../errors.ts";
import type { App } from "../rpc/app.ts";
import { Call } from "../rpc/call.ts";
import { type Route, routes, type StreamRoute, type UnaryRoute } from "../rpc/routes.ts";
import { abandoned } from "./abandoned.ts";
import { reauthenticate } from "./authenticate.ts";
import { payloadOf, ReceivedBody } from "./body.ts";
import { decode, maxMessageBytes } from "./decode.ts";
import { admit, checkBody, serve, serveStream, whyLeft } from "./interceptors.ts";
import { NodeHead, type NodeRequest, type NodeResponse, peerAddress } from "./node-head.ts";
import type { OpenStreams } from "./open-streams.ts";
import type { Outcomes } from "./outcome.ts";
import { compressed } from "./refusals.ts";
import { detailsOf } from "./status.ts";
import { untilAborted } from "./until-aborted.ts";

/** One request on its way through connect-node: what its gate and its implementation share. */
interface Exchange {
  request: NodeRequest;
  response: NodeResponse;
  body: ReceivedBody;
  call?: Call;
  message?: MessageShape<DescMessage>;
}

/** A body that takes longer is served only if its sender could still be admitted. */
const slowBodyMs = 250;

const exchangeKey = createContextKey<Exchange | undefined>(undefined);

/** Connect, gRPC-Web and gRPC over connect-node: it does the protocols, and we do everything else. */
export class ConnectHandlers {
  readonly #app: App;
  readonly #outcomes: Outcomes;
  readonly #open: OpenStreams;
  readonly #handlers = new Map<string, UniversalHandler>();
  readonly #routes = new Map(routes.map((route) => [route.method.desc, route]));

  constructor(app: App, outcomes: Outcomes, open: OpenStreams) {
    this.#app = app;
    this.#outcomes = outcomes;
    this.#open = open;
    const router = createConnectRouter({
      acceptCompression: [],
      readMaxBytes: maxMessageBytes,
      requestGate: (context) => this.#gate(context),
    });
    for (const route of routes) {
      const serve = (_: unknown, context: HandlerContext) =>
        route.kind === "unary" ? this.#serve(route, context) : this.#stream(route, context);
      router.rpc(route.method.desc as DescMethodUnary, serve as MethodImpl<DescMethodUnary>);
    }
    for (const handler of router.handlers) this.#handlers.set(handler.requestPath, handler);
  }

  /** Whether there is an RPC at this path (without the query). */
  has(path: string): boolean {
    return this.#handlers.has(path);
  }

  /** Whether the RPC at this path can be called with the request's content type. */
  accepts(path: string, request: NodeRequest): boolean {
    const contentType = request.headers["content-type"] ?? "";
    return this.#handlers.get(path)?.supportedContentType(contentType) === true;
  }

  async handle(path: string, request: NodeRequest, response: NodeResponse): Promise<void> {
    const handler = this.#handlers.get(path) as UniversalHandler;
    const exchange: Exchange = { request, response, body: new ReceivedBody(request) };
    const values: ContextValues = createContextValues().set(exchangeKey, exchange);
    try {
      const universal = universalRequestFromNodeRequest(request, response, undefined, values);
      const answer = await handler({ ...universal, body: exchange.body.replay() });
      exchange.body.abandonUnread(response);
      await universalResponseToNodeResponse(answer, response);
    } catch (error) {
      // The connection broke: there is nobody to answer.
      this.#app.log.debug({ err: error }, "answer not delivered");
      response.stream?.close();
      response.destroy();
    }
  }

  /** Runs before connect reads the body: it sees one that was admitted, checked and parsed already. */
  async #gate(context: HandlerContext): Promise<void> {
    const exchange = context.values.get(exchangeKey) as Exchange;
    const route = this.#routes.get(context.method as Route["method"]["desc"]) as Route;
    const call = toCall(this.#app, route, context, exchange.request);
    exchange.call = call;
    context.responseHeader.set("x-request-id", call.requestId);
    try {
      refuseCompression(call);
      await admit(this.#app, call);
      const admitted = performance.now();
      const body = await exchange.body.read(context.timeoutMs());
      if (performance.now() - admitted > slowBodyMs) await reauthenticate(this.#app, call);
      checkBody(call, body);
      exchange.message = decode(route.method.desc.input, ...payloadOf(body, call.head));
    } catch (error) {
      throw this.#refusal(call, error);
    }
  }

  async #serve(route: UnaryRoute, context: HandlerContext) {
    const { call, message } = admitted(context);
    try {
      const work = serve(this.#app, call, route, message);
      // Answered at the deadline, or when the caller goes away, even if the work takes longer.
      const response = await untilAborted(context.signal, work, () => abandoned(call));
      this.#outcomes.carriedOut(call, "http");
      return response;
    } catch (error) {
      throw this.#refusal(call, error);
    }
  }

  async *#stream(route: StreamRoute, context: HandlerContext) {
    const { call, message, response } = admitted(context);
    const { signal } = context;
    if (signal.aborted) call.abort(abandoned(call));
    signal.addEventListener("abort", () => call.abort(abandoned(call)), { once: true });
    let isLeft = true;
    try {
      const watch = () => this.#open.open(call, () => cutOff(response));
      yield* serveStream(this.#app, call, route, message, watch);
      isLeft = false;
      this.#outcomes.carriedOut(call, "http");
    } catch (error) {
      isLeft = false;
      throw asConnectError(this.#outcomes.ended(call, "http", error), call);
    } finally {
      if (isLeft) this.#outcomes.ended(call, "http", whyLeft(call));
    }
  }

  #refusal(call: Call, thrown: unknown): ConnectError {
    return asConnectError(this.#outcomes.refused(call, "http", thrown), call);
  }
}

function asConnectError(error: ServiceError, call: Call): ConnectError {
  const details = detailsOf(error, call.requestId);
  return new ConnectError(error.message, error.code as number, undefined, details as never);
}

/** What the gate has let through. */
function admitted(context: HandlerContext) {
  return context.values.get(exchangeKey) as Required<Exchange>;
}

/** Ends an answer without a word: what was sent and not read is dropped. */
function cutOff(response: NodeResponse): void {
  if (response.stream !== undefined) response.stream.close(constants.NGHTTP2_CANCEL);
  else response.destroy();
}

function toCall(app: App, route: Route, context: HandlerContext, request: NodeRequest): Call {
  const authority = "authority" in request ? request.authority : (request.headers.host ?? "");
  const timeoutMs = context.timeoutMs();
  // Connect's own timer may ring a millisecond early, and that is no cancellation.
  const deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : Date.now() + timeoutMs - 1;
  const head = new NodeHead(request.method ?? "", authority, request.url ?? "", request.headers);
  return new Call({
    method: route.method,
    head,
    address: app.proxies.sourceAddress(peerAddress(request.socket.remoteAddress), head),
    liveness: {
      get cancelled() {
        return context.signal.aborted && Date.now() < deadline;
      },
      deadline,
    },
  });
}

function refuseCompression({ head }: Call): void {
  const headers = ["content-encoding", "grpc-encoding", "connect-content-encoding"];
  const header = headers.find((name) => (head.header(name) ?? "identity") !== "identity");
  if (header !== undefined) throw compressed(header);
}
