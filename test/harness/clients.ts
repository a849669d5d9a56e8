import { fromBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import * as node from "@connectrpc/connect-node";
import * as web from "@connectrpc/connect-web";
import { PdaasError, signingInterceptor } from "pdaas";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import type { TestKey, TestService } from "./service.ts";

/** Where a service is called. */
export type Addresses = Pick<TestService, "httpUrl" | "grpcUrl">;

type MakeTransport = (service: Addresses, interceptors: Interceptor[]) => Transport;

/** Every way of calling that generated clients have, by name. */
export const transports: Record<string, MakeTransport> = {
  "connect-node gRPC, gRPC server": ({ grpcUrl }, interceptors) =>
    node.createGrpcTransport({ baseUrl: grpcUrl, interceptors }),
  "connect-node gRPC, HTTP server": ({ httpUrl }, interceptors) =>
    node.createGrpcTransport({ baseUrl: httpUrl, interceptors }),
  "connect-node gRPC-Web": ({ httpUrl }, interceptors) =>
    node.createGrpcWebTransport({ baseUrl: httpUrl, httpVersion: "1.1", interceptors }),
  "connect-node gRPC-Web JSON": ({ httpUrl }, interceptors) =>
    node.createGrpcWebTransport({
      baseUrl: httpUrl,
      httpVersion: "2",
      useBinaryFormat: false,
      interceptors,
    }),
  "connect-node Connect JSON": ({ httpUrl }, interceptors) =>
    node.createConnectTransport({ baseUrl: httpUrl, httpVersion: "1.1", interceptors }),
  "connect-node Connect binary": ({ httpUrl }, interceptors) =>
    node.createConnectTransport({
      baseUrl: httpUrl,
      httpVersion: "2",
      useBinaryFormat: true,
      interceptors,
    }),
  "connect-web Connect": ({ httpUrl }, interceptors) =>
    web.createConnectTransport({ baseUrl: httpUrl, interceptors }),
  "connect-web gRPC-Web": ({ httpUrl }, interceptors) =>
    web.createGrpcWebTransport({ baseUrl: httpUrl, interceptors }),
};

/** A transport by its name. */
export function transport(
  name: string,
  service: Addresses,
  interceptors: Interceptor[] = [],
): Transport {
  const make = transports[name];
  if (make === undefined) throw new Error(`there is no transport "${name}"`);
  return make(service, interceptors);
}

/** A transport whose calls are signed. */
export function signedTransport(name: string, service: Addresses, key: TestKey): Transport {
  return transport(name, service, [signingInterceptor(key)]);
}

/** Adds headers to every call. */
export function withHeaders(headers: Record<string, string>): Interceptor {
  return (next) => (request) => {
    for (const [name, value] of Object.entries(headers)) request.header.set(name, value);
    return next(request);
  };
}

/** A method of a service that grpc-js describes by itself, such as health or reflection. */
export interface GrpcMethod {
  path: string;
  requestSerialize: (message: object) => Buffer;
  responseDeserialize: (bytes: Buffer) => object;
}

/** What a refused call was answered. */
export interface Refusal {
  /** Such as `permission_denied`. */
  code: string;
  reason: string;
  message: string;
  retryAfterMs?: number | undefined;
}

/** The refusal of a call. @throws Error when it was not refused, or not in our words */
export async function refusalOf(call: Promise<unknown>): Promise<Refusal> {
  let result: unknown;
  try {
    result = await call;
  } catch (error) {
    if (error instanceof PdaasError && error.reason !== undefined) {
      const { code, reason, message } = error;
      return { code, reason, message, retryAfterMs: error.retryAfterMs };
    }
    if (error instanceof ConnectError) return connectRefusal(error);
    throw error;
  }
  throw new Error(`the call was carried out: ${JSON.stringify(result)}`);
}

/** @returns undefined for a call that was carried out */
export async function refusalIfAny(call: Promise<unknown>): Promise<Refusal | undefined> {
  const isCarriedOut = await call.then(
    () => true,
    () => false,
  );
  return isCarriedOut ? undefined : refusalOf(call);
}

function connectRefusal(error: ConnectError): Refusal {
  const [info] = error.findDetails(ErrorInfoSchema);
  const [retry] = error.findDetails(RetryInfoSchema);
  if (info === undefined) throw new Error(`no ErrorInfo in: ${error.message}`, { cause: error });
  const delay = retry?.retryDelay;
  return {
    code: codeName(error.code),
    reason: info.reason,
    message: error.rawMessage,
    ...(delay && { retryAfterMs: Number(delay.seconds) * 1_000 + delay.nanos / 1e6 }),
  };
}

/** The refusal in the trailers of a gRPC answer. */
export function trailersRefusal(trailers: Record<string, unknown>): Refusal {
  const details = Buffer.from(String(trailers["grpc-status-details-bin"]), "base64");
  const status = fromBinary(StatusSchema, details);
  const info = status.details.find((any) => any.typeUrl.endsWith("google.rpc.ErrorInfo"));
  if (info === undefined) throw new Error("no ErrorInfo in the trailers");
  return {
    code: codeName(Number(trailers["grpc-status"])),
    reason: fromBinary(ErrorInfoSchema, info.value).reason,
    message: decodeURIComponent(String(trailers["grpc-message"])),
  };
}

function codeName(code: number): string {
  return (Code[code] ?? "").replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}
