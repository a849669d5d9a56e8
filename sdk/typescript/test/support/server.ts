import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from "node:http";
import {
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import {
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { onTestFinished } from "vitest";

type NodeServerRequest = IncomingMessage | Http2ServerRequest;
type NodeServerResponse = ServerResponse | Http2ServerResponse;

/** A request as it arrived, before anything has parsed it. */
export interface CapturedRequest {
  method: string;
  authority: string;
  /** The raw request target. */
  target: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface TestServer {
  baseUrl: string;
  port: number;
  /** What arrived, in order. */
  requests: CapturedRequest[];
}

export interface TestServerOptions {
  /** HTTP/2 without TLS, where it is not HTTP/1.1. */
  http2?: boolean;
  /** Asked once a call was carried out: whether to break the connection instead of answering. */
  losesAnswer?: (request: CapturedRequest) => boolean;
}

/** A real server of Connect, gRPC and gRPC-Web on loopback, until the test is over. */
export async function startServer(
  routes: (router: ConnectRouter) => void,
  options: TestServerOptions = {},
): Promise<TestServer> {
  const requests: CapturedRequest[] = [];
  const router = createConnectRouter();
  routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));

  async function answer(request: NodeServerRequest, response: NodeServerResponse): Promise<void> {
    const captured = await capture(request);
    requests.push(captured);
    const handler = handlers.get(captured.target);
    if (handler === undefined) throw new Error(`no handler for ${captured.target}`);
    const universal = universalRequestFromNodeRequest(request, response, undefined, undefined);
    const reply = await handler({ ...universal, body: replay(captured.body) });
    if (options.losesAnswer?.(captured)) request.socket.destroy();
    else await universalResponseToNodeResponse(reply, response);
  }
  const listener = (request: NodeServerRequest, response: NodeServerResponse) => {
    answer(request, response).catch(() => response.destroy());
  };
  const server = options.http2
    ? createHttp2Server(listener)
    : createServer(listener as RequestListener);
  const sockets = new Set<{ destroy(): void }>();
  server.on("connection", (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { baseUrl: `http://127.0.0.1:${port}`, port, requests };
}

async function capture(request: NodeServerRequest): Promise<CapturedRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return {
    method: request.method ?? "",
    authority: (request as Http2ServerRequest).authority ?? request.headers.host ?? "",
    target: request.url ?? "",
    headers: request.headers,
    body: Buffer.concat(chunks),
  };
}

async function* replay(body: Buffer): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(body);
}
