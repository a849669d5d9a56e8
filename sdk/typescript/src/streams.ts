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

/** A stream without an end, and how to go on with it. */
export interface Followed<I extends DescMessage, O extends DescMessage> {
  method: DescMethodServerStreaming<I, O>;
  /** The request that goes on where the stream broke off. */
  nextRequest: () => MessageInitShape<I>;
  signal: AbortSignal | undefined;
}

/**
 * Opens the stream, and again whenever it breaks off, for as long as another attempt may help.
 * @throws PdaasError
 */
export async function* followStream<I extends DescMessage, O extends DescMessage>(
  settings: CallerSettings,
  followed: Followed<I, O>,
): AsyncGenerator<MessageShape<O>, void, undefined> {
  const deadline = new Deadline(foreverMs, followed.signal);
  let [failures, mended] = [0, false];
  for (;;) {
    deadline.check();
    let sent: Record<string, string> = {};
    try {
      sent = { ...settings.headers, ...(await deadline.wait(settings.credentials.headers())) };
      for await (const message of messagesOf(settings, followed, sent)) {
        [failures, mended] = [0, false];
        yield message;
      }
      throw new PdaasError("The stream has ended.", { code: "unavailable" });
    } catch (thrown) {
      deadline.check();
      const error = toPdaasError(thrown);
      if (!mended && (await deadline.wait(settings.credentials.recover(error, sent)))) {
        mended = true;
        continue;
      }
      if (!mayFollow(error)) throw error;
      failures++;
      await deadline.sleep(retryDelayMs(error, failures));
    }
  }
}

/** The messages of one attempt, which is given up when it has gone silent. */
async function* messagesOf<I extends DescMessage, O extends DescMessage>(
  { transport }: CallerSettings,
  { method, nextRequest, signal }: Followed<I, O>,
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
function mayFollow(error: PdaasError): boolean {
  const isBroken = error.code === "cancelled" || error.code === "deadline_exceeded";
  return isBroken || mayRetry(error, true);
}

async function* requestsOf<T>(request: T): AsyncGenerator<T> {
  yield request;
}
