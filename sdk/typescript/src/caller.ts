import type {
  DescMessage,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { Transport } from "@connectrpc/connect";
import { Deadline } from "./deadline.ts";
import { type PdaasError, toPdaasError } from "./errors.ts";
import { mayRetry, retryDelayMs } from "./retry.ts";
import { followStream, readStream } from "./streams.ts";

/** Options of a single call. */
export interface CallOptions {
  /** How long the call may take, with its retries, in milliseconds; the client's `timeoutMs` when absent. */
  timeoutMs?: number | undefined;
  /** Gives the call up when it is aborted. */
  signal?: AbortSignal | undefined;
}

/** How a caller proves who it is, beyond what the transport's interceptors do. */
export interface Credentials {
  /** Headers of the next attempt. */
  headers(): Promise<Record<string, string>>;
  /**
   * Mends what made an attempt fail, if it can.
   * @param sent the headers of the failed attempt
   * @returns whether another attempt makes sense
   */
  recover(error: PdaasError, sent: Record<string, string>): Promise<boolean>;
}

/** Credentials of nobody. */
export const anonymous: Credentials = { headers: async () => ({}), recover: async () => false };

/** What all calls of a client have in common. */
export interface CallerSettings {
  transport: Transport;
  credentials: Credentials;
  /** Sent with every call. */
  headers: Record<string, string>;
  timeoutMs: number;
  maxRetries: number;
}

/** A method with its request, and whether it can be carried out twice without harm. */
interface Work<I extends DescMessage, O extends DescMessage> {
  method: DescMethodUnary<I, O>;
  request: MessageInitShape<I>;
  repeatable: boolean;
}

/** Makes calls, each with its credentials, retries and deadline. */
export class Caller {
  readonly #settings: CallerSettings;

  constructor(settings: CallerSettings) {
    this.#settings = settings;
  }

  /**
   * @param repeatable that the call does no harm when it is carried out twice, where neither the
   *   contract nor a request id says so
   * @throws PdaasError
   */
  async call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I> & { requestId?: string },
    options: CallOptions & { repeatable?: boolean; headers?: Record<string, string> } = {},
  ): Promise<MessageShape<O>> {
    const repeatable =
      options.repeatable === true ||
      Boolean(request.requestId) ||
      method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
    const deadline = new Deadline(options.timeoutMs ?? this.#settings.timeoutMs, options.signal);
    const work = { method, request, repeatable };
    let mended = false;
    for (let attempts = 1; ; ) {
      deadline.check();
      const proof = await deadline.wait(this.#settings.credentials.headers());
      const sent = { ...this.#settings.headers, ...options.headers, ...proof };
      try {
        return await this.#attempt(work, sent, deadline);
      } catch (thrown) {
        const error = toPdaasError(thrown);
        if (!mended && (await deadline.wait(this.#settings.credentials.recover(error, sent)))) {
          mended = true;
          continue;
        }
        await this.#pause(error, attempts, work, deadline);
        attempts += 1;
      }
    }
  }

  /**
   * Gives the messages of a stream without an end, which is opened again whenever it breaks off.
   * @param nextRequest the request that goes on where the stream broke off
   */
  follow<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    nextRequest: () => MessageInitShape<I>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<MessageShape<O>, void, undefined> {
    return followStream(this.#settings, { method, nextRequest, signal });
  }

  /** Gives the messages of a stream that comes to its end. */
  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<MessageShape<O>, void, undefined> {
    return readStream(this.#settings, { method, nextRequest: () => request, signal });
  }

  async #attempt<I extends DescMessage, O extends DescMessage>(
    { method, request }: Work<I, O>,
    headers: Record<string, string>,
    deadline: Deadline,
  ): Promise<MessageShape<O>> {
    // Transports take 0 for "no timeout".
    const timeoutMs = Math.max(1, deadline.remainingMs);
    const { transport } = this.#settings;
    const answer = await transport.unary(method, deadline.signal, timeoutMs, headers, request);
    return answer.message;
  }

  /** @throws the error, when no other attempt may follow it in time */
  async #pause<I extends DescMessage, O extends DescMessage>(
    error: PdaasError,
    attempts: number,
    { repeatable }: Work<I, O>,
    deadline: Deadline,
  ): Promise<void> {
    if (attempts > this.#settings.maxRetries || !mayRetry(error, repeatable)) throw error;
    const delayMs = retryDelayMs(error, attempts);
    if (delayMs >= deadline.remainingMs) throw error;
    await deadline.sleep(delayMs);
  }
}
