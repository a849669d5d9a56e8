import { Counter, Gauge, type Registry } from "prom-client";
import type { ServiceError } from "../errors.ts";
import type { App } from "../rpc/app.ts";
import type { Call } from "../rpc/call.ts";
import { ensureMayGoOn } from "../rpc/still-allowed.ts";
import { asServiceError } from "../store/errors.ts";
import { shuttingDown, tooManyStreams } from "./refusals.ts";

const intervalMs = 1_000;
/** How long the caller of a stream that is ended may take to read what was sent, and why it is ended. */
const lastWordsMs = 5_000;
const maxStreamsOfPrincipal = 100;

/** A stream under watch, until it is disposed of. */
export interface WatchedCall extends Disposable {
  /** Told of each message that was taken from the handler. */
  sent(): void;
}

/**
 * The streams under way on both servers. Who may call is asked again once a second, and as soon as
 * anybody's access in the organization has changed: a stream ends when a new call would be refused.
 */
export class OpenStreams {
  readonly #app: App;
  readonly #open = new Set<OpenStream>();
  readonly #timer: NodeJS.Timeout;
  readonly #messages: Counter;
  #isClosing = false;

  constructor(app: App, registry: Registry) {
    this.#app = app;
    this.#messages = new Counter({ ...messages, registers: [registry] });
    const open = this.#open;
    new Gauge({
      ...openStreams,
      registers: [registry],
      collect() {
        this.set(open.size);
      },
    });
    this.#timer = setInterval(() => {
      for (const stream of this.#open) void stream.check();
    }, intervalMs).unref();
    app.credentials.onEpoch((organizationId) => {
      for (const stream of this.#open) {
        if (stream.organizationId === organizationId) void stream.check();
      }
    });
  }

  /**
   * Takes a stream on that was admitted.
   * @param cutOff ends it without a word, when its caller does not read any more
   * @throws ServiceError SHUTTING_DOWN or OVERLOADED
   */
  open(call: Call, cutOff: () => void): WatchedCall {
    if (this.#isClosing) throw shuttingDown();
    const principalId = call.caller?.id ?? "";
    const others = [...this.#open].filter((stream) => stream.principalId === principalId);
    if (others.length >= maxStreamsOfPrincipal) throw tooManyStreams(maxStreamsOfPrincipal);
    const stream = new OpenStream(this.#app, call, cutOff);
    this.#open.add(stream);
    const rpc = call.method.action;
    return {
      sent: () => this.#messages.inc({ rpc }),
      [Symbol.dispose]: () => {
        stream.leave();
        this.#open.delete(stream);
      },
    };
  }

  /** Ends all streams, and takes no more: their callers go on elsewhere. */
  close(): void {
    this.#isClosing = true;
    clearInterval(this.#timer);
    for (const stream of this.#open) stream.end(shuttingDown());
  }
}

const openStreams = { name: "pdaas_open_streams", help: "Streams under way." };
const messages = {
  name: "pdaas_stream_messages_total",
  help: "Messages of streams, as fast as their callers take them.",
  labelNames: ["rpc"],
};

class OpenStream {
  readonly organizationId: string;
  readonly principalId: string;
  readonly #app: App;
  readonly #call: Call;
  #isChecking = false;
  /** Whether something has changed since the check under way has begun. */
  #isDue = false;
  readonly #onAbort: () => void;

  constructor(app: App, call: Call, cutOff: () => void) {
    this.#app = app;
    this.#call = call;
    this.organizationId = call.caller?.organizationId ?? "";
    this.principalId = call.caller?.id ?? "";
    this.#onAbort = () => setTimeout(cutOff, lastWordsMs).unref();
    call.signal.addEventListener("abort", this.#onAbort);
  }

  /** What was not ended early may be read as slowly as its caller likes. */
  leave(): void {
    this.#call.signal.removeEventListener("abort", this.#onAbort);
  }

  end(reason: ServiceError): void {
    this.#call.abort(reason);
  }

  async check(): Promise<void> {
    this.#isDue = true;
    if (this.#isChecking) return;
    this.#isChecking = true;
    try {
      while (this.#isDue) {
        this.#isDue = false;
        this.#call.ensureLive();
        await ensureMayGoOn(this.#app, this.#call);
      }
    } catch (error) {
      this.end(asServiceError(error));
    }
    this.#isChecking = false;
  }
}
