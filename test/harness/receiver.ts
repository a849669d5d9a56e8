import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { fromJsonString } from "@bufbuild/protobuf";
import {
  type AuditDelivery,
  AuditDeliverySchema,
} from "../../gen/pdaas/v1/audit_sink_service_pb.ts";
import { HmacKey } from "../../src/auth/hmac.ts";
import { digestHolds, macHolds, readSignature } from "../../src/auth/signature.ts";
import { NodeHead } from "../../src/server/node-head.ts";

/** How it answers: with a status, with a redirect to a URL, with an endless body, oddly, or not at all. */
export type Behaviour = number | { redirectTo: string } | "endless" | "upgrade" | "hang";

/** What came. */
export interface ReceivedPost {
  delivery: AuditDelivery;
  /** What the signature names, if it holds by the receiver's secret. */
  keyId: string | undefined;
  path: string;
}

/** A receiver of audit events, which checks signatures as the service checks those of requests. */
export class Receiver implements AsyncDisposable {
  readonly url: string;
  readonly posts: ReceivedPost[] = [];
  behaviour: Behaviour = 204;
  /** The secret of the sink that it is. */
  secretKey = "";
  readonly #server;

  private constructor(server: ReturnType<typeof createServer>, scheme: string) {
    this.#server = server;
    this.url = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/events`;
    const listener: RequestListener = (request, response) => {
      void this.#take(request).then(() => {
        const { behaviour } = this;
        if (behaviour === "hang") return;
        if (behaviour === "upgrade") {
          const head =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
          request.socket.end(head);
        } else if (behaviour === "endless") {
          const write = () => response.write(Buffer.alloc(64 * 1024), () => setImmediate(write));
          response.on("error", () => {});
          write();
        } else if (typeof behaviour === "object") {
          response.writeHead(307, { location: behaviour.redirectTo }).end();
        } else {
          response.writeHead(behaviour).end("what nobody reads: a token of the receiver's");
        }
      });
    };
    server.on("request", listener);
  }

  /** @param tls the certificate of one that speaks TLS */
  static async start(tls?: { key: string; cert: string }): Promise<Receiver> {
    const server = tls === undefined ? createServer() : createTlsServer(tls);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Receiver(server, tls === undefined ? "http" : "https");
  }

  /** The sequence numbers of all events that came with a signature that holds, in their order. */
  get sequences(): number[] {
    return this.posts
      .filter(({ keyId }) => keyId !== undefined)
      .flatMap(({ delivery }) => delivery.auditEvents.map(({ sequence }) => Number(sequence)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #take(request: IncomingMessage): Promise<void> {
    const body = await buffer(request);
    const { method = "", url = "", headers } = request;
    const head = new NodeHead(method, headers.host ?? "", url, headers);
    const signed = readSignature(head, Date.now() / 1_000, undefined);
    const key = new HmacKey(Buffer.from(this.secretKey));
    const holds = macHolds(signed, key) && digestHolds(signed, body);
    const delivery = fromJsonString(AuditDeliverySchema, body.toString());
    this.posts.push({ delivery, keyId: holds ? signed.accessKey : undefined, path: url });
  }
}
