import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type Interceptor,
  type StreamRequest,
  type UnaryRequest,
} from "@connectrpc/connect";
import { requestBody, type SerializationOptions } from "./body.ts";
import { type KeySource, type Signer, signersOf } from "./signer.ts";

/** What signingInterceptor needs: an API key, and the transport's serialization options if it has any. */
export type SigningOptions = KeySource &
  SerializationOptions & {
    /** The time in Unix seconds; the system's when absent. */
    now?: (() => number) | undefined;
  };

type AnyRequest = UnaryRequest | StreamRequest;

/**
 * Signs the calls of a Connect, gRPC or gRPC-Web transport (connect-node or connect-web), unary and
 * server-streaming. It must be the last of the transport's interceptors, so that nothing changes after
 * it, and the transport must have neither `sendCompression` nor `useHttpGet`.
 * @throws TypeError when the key cannot be used
 */
export function signingInterceptor(options: SigningOptions): Interceptor {
  const nextSigner = signersOf(options, options.now);
  return (next) => async (request) => {
    refuseCompression(request.header);
    if (!request.stream) {
      addSignature(nextSigner(), request, request.message, options);
      return await next(request);
    }
    const message = await onlyMessage(request);
    addSignature(nextSigner(), request, message, options);
    return await next({ ...request, message: iterableOf(message) });
  };
}

function addSignature(
  signer: Signer,
  request: AnyRequest,
  message: MessageShape<DescMessage>,
  options: SerializationOptions,
): void {
  const contentType = request.header.get("content-type") ?? "";
  const body = requestBody(contentType, request.method.input, message, options);
  if (body === undefined) {
    throw new ConnectError(`cannot sign content of type "${contentType}"`, Code.Internal);
  }
  const { host, pathname } = new URL(request.url);
  const headers = signer.sign({
    method: request.requestMethod,
    authority: host,
    path: pathname,
    contentType: meansOneCodec(contentType) ? undefined : contentType,
    body,
  });
  for (const [name, value] of Object.entries(headers)) request.header.set(name, value);
}

/** Bytes of one codec may pass for another message in the other, so the type is covered where it decides. */
function meansOneCodec(contentType: string): boolean {
  return /^application\/grpc(?:-web)?(?:\+proto)?$/.test(contentType);
}

function refuseCompression(header: Headers): void {
  for (const name of ["content-encoding", "connect-content-encoding", "grpc-encoding"]) {
    if ((header.get(name) ?? "identity") === "identity") continue;
    throw new ConnectError(
      "signed requests cannot be compressed: remove sendCompression from the transport",
      Code.InvalidArgument,
    );
  }
}

async function onlyMessage(request: StreamRequest): Promise<MessageShape<DescMessage>> {
  if (request.method.methodKind !== "server_streaming") {
    throw new ConnectError(
      `${request.method.name} streams its request, which a signature cannot cover`,
      Code.Unimplemented,
    );
  }
  const messages: MessageShape<DescMessage>[] = [];
  for await (const message of request.message) messages.push(message);
  const [message] = messages;
  if (message === undefined || messages.length > 1) {
    throw new ConnectError(
      `${request.method.name} takes one request message`,
      Code.InvalidArgument,
    );
  }
  return message;
}

async function* iterableOf<T>(value: T): AsyncGenerator<T> {
  yield value;
}
