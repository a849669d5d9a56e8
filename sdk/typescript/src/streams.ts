import type {
  DescMessage,
  DescMethodServerStreaming,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { CallerSettings } from "./caller.ts";
import { Deadline } from "./deadline.ts";
import { PdaasError, toPdaasError } from "./errors.ts";
import { mayRetry, retryDelayMs } from "./retry.ts";

/** The service gives a sign of life every 15 seconds: after this time without one, the connection is dead. */
const silenceMs = 45_000;
/** More is more than timers take. */
const foreverMs = 2 ** 31 - 1;

/** A stream of messages that is asked for. */
export interface StreamCall<I extends DescMessage, O extends DescMessage> {
  method: DescMethodServerStreaming<I, O>;
  /** The request of the next attempt, which goes on where the last one broke off. */
  nextRequest: () => MessageInitShape<I>;
  signal: AbortSignal | undefined;
}

/**
 * Opens a stream without an end, and again whenever it breaks off, for as long as another attempt may help.
 * @throws PdaasError
 */
export async function* followStream<I extends DescMessage, O extends DescMessage>(
  settings: CallerSettings,
  call: StreamCall<I, O>,
): AsyncGenerator<MessageShape<O>, void, undefined> {
  const attempts = new Attempts({ ...settings, maxRetries: Number.POSITIVE_INFINITY }, call.signal);
  for (;;) {
    try {
      for await (const message of messagesOf(settings, call, await attempts.headers())) {
        attempts.succeeded();
        yield message;
      }
      throw new PdaasError("The stream has ended.", { code: "unavailable" });
    } catch (thrown) {
      await attempts.failed(thrown);
    }
  }
}

/**
 * Opens a stream that comes to its end. Once it has begun, there is no other attempt.
 * @throws PdaasError
 */
export async function* readStream<I extends DescMessage, O extends DescMessage>(
  settings: CallerSettings,
  call: StreamCall<I, O>,
): AsyncGenerator<MessageShape<O>, void, undefined> {
  const attempts = new Attempts(settings, call.signal);
  for (let hasBegun = false; ; ) {
    try {
      for await (const message of messagesOf(settings, call, await attempts.headers())) {
        hasBegun = true;
        yield message;
      }
      return;
    } catch (thrown) {
      if (hasBegun) throw attempts.errorOf(thrown);
      await attempts.failed(thrown);
    }
  }
}

/** Attempts at a stream, one after the other, with pauses in between. */
class Attempts {
  readonly #settings: CallerSettings;
  readonly #deadline: Deadline;
  #sent: Record<string, string> = {};
  #failures = 0;
  #isMended = false;

  constructor(settings: CallerSettings, signal: AbortSignal | undefined) {
    this.#settings = settings;
    this.#deadline = new Deadline(foreverMs, signal);
  }

  /** The headers of the next attempt. */
  async headers(): Promise<Record<string, string>> {
    this.#deadline.check();
    this.#sent = {};
    const { headers, credentials } = this.#settings;
    this.#sent = { ...headers, ...(await this.#deadline.wait(credentials.headers())) };
    return this.#sent;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#isMended = false;
  }

  /** Waits until another attempt may be made. @throws PdaasError when none may */
  async failed(thrown: unknown): Promise<void> {
    const error = this.errorOf(thrown);
    const { credentials, maxRetries } = this.#settings;
    const recover = () => this.#deadline.wait(credentials.recover(error, this.#sent));
    if (!this.#isMended && (await recover())) {
      this.#isMended = true;
      return;
    }
    this.#failures++;
    if (this.#failures > maxRetries || !mayOpenAgain(error)) throw error;
    await this.#deadline.sleep(retryDelayMs(error, this.#failures));
  }

  errorOf(thrown: unknown): PdaasError {
    // Whatever an aborted stream ends with, its caller has aborted it.
    this.#deadline.check();
    return toPdaasError(thrown);
  }
}

/** The messages of one attempt, which is given up when it has gone silent. */
async function* messagesOf<I extends DescMessage, O extends DescMessage>(
  { transport }: CallerSettings,
  { method, nextRequest, signal }: StreamCall<I, O>,
  headers: Record<string, string>,
): AsyncGenerator<MessageShape<O>, void, undefined> {
  const own = new AbortController();
  const either = signal === undefined ? own.signal : AbortSignal.any([signal, own.signal]);
  const watch = new SilenceWatch(own);
  try {
    const request = requestsOf(nextRequest());
    const answer = await watch.over(transport.stream(method, either, undefined, headers, request));
    const messages = answer.message[Symbol.asyncIterator]();
    for (;;) {
      const next = await watch.over(messages.next());
      if (next.done) return;
      yield next.value;
    }
  } finally {
    own.abort();
  }
}

/** Gives up an attempt from which nothing has come for too long; time that the reader takes does not count. */
class SilenceWatch {
  readonly #attempt: AbortController;

  constructor(attempt: AbortController) {
    this.#attempt = attempt;
  }

  async over<T>(next: Promise<T>): Promise<T> {
    const silence = new PdaasError("The stream has gone silent.", { code: "unavailable" });
    const timer = setTimeout(() => this.#attempt.abort(silence), silenceMs);
    try {
      return await next;
    } catch (error) {
      throw this.#attempt.signal.aborted ? silence : error;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Nobody here has cancelled the stream or given it a time: that is how connections break with HTTP/2. */
function mayOpenAgain(error: PdaasError): boolean {
  const isBroken = error.code === "cancelled" || error.code === "deadline_exceeded";
  return isBroken || mayRetry(error, true);
}

async function* requestsOf<T>(request: T): AsyncGenerator<T> {
  yield request;
}
