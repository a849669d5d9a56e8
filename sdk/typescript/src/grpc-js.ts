import { InterceptingCall, type Interceptor, type Listener, Metadata, status } from "@grpc/grpc-js";
import { envelopePrefix } from "./signing/body.ts";
import { type KeySource, signersOf } from "./signing/signer.ts";

export type { KeySource, SigningKey } from "./signing/signer.ts";

/** What grpcSigningInterceptor needs: an API key. */
export type GrpcSigningOptions = KeySource & {
  /**
   * The `:authority` to sign and send. Taken from the channel's target when absent; give it when the
   * channel has `grpc.default_authority` or goes through a proxy, which interceptors cannot see.
   */
  authority?: string | undefined;
  /** The time in Unix seconds; the system's when absent. */
  now?: (() => number) | undefined;
};

/**
 * Signs the calls of a `@grpc/grpc-js` client, unary and server-streaming. It must be the last of the
 * client's interceptors. The channel must not compress (`grpc.default_compression_algorithm`) and must
 * not retry by a service config (`grpc.enable_retries: 0`): a retry below the interceptor would repeat
 * the nonce.
 * @throws TypeError when the key cannot be used, and from the call when its method streams requests
 */
export function grpcSigningInterceptor(options: GrpcSigningOptions): Interceptor {
  const nextSigner = signersOf(options, options.now);
  return (callOptions, nextCall) => {
    const { path, requestStream, requestSerialize } = callOptions.method_definition;
    if (requestStream) {
      throw new TypeError(`${path} streams its request, which a signature cannot cover.`);
    }
    const signer = nextSigner();
    const host = options.authority ?? callOptions.host;
    const call = nextCall(host === undefined ? callOptions : { ...callOptions, host });
    // Before a call has started, its peer is the channel's target.
    const authority = host ?? authorityOf(call.getPeer());
    let start: (metadata: Metadata, listener: Listener) => void;
    let metadata: Metadata;
    let listener: Listener;
    return new InterceptingCall(call, {
      start(callMetadata, callListener, next) {
        [metadata, listener, start] = [callMetadata, callListener, next];
      },
      sendMessage(message, next) {
        let bytes: Buffer;
        try {
          bytes = requestSerialize(message);
        } catch (error) {
          refuse(listener, `Request message serialization failure: ${error}`);
          return;
        }
        const body = [envelopePrefix(bytes.byteLength), bytes];
        const contentType = undefined;
        const signature = signer.sign({ method: "POST", authority, path, contentType, body });
        for (const [name, value] of Object.entries(signature)) metadata.set(name, value);
        start(metadata, listener);
        next(message);
      },
    });
  };
}

function refuse(listener: Listener, details: string): void {
  const refusal = { code: status.INTERNAL, details, metadata: new Metadata() };
  listener.onReceiveStatus?.(refusal, () => {});
}

/** The default authority of a channel's target, such as `dns:api.example.com:443` (gRPC naming). */
function authorityOf(target: string): string {
  if (/^unix(?:-abstract)?:/.test(target)) return "localhost";
  const path = target.replace(/^[a-z0-9+.-]+:(?:\/\/[^/]*\/)?/i, "");
  return path.split(",")[0] as string;
}
