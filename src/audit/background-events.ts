import { Code, ServiceError } from "../errors.ts";
import { type AuditedCall, newAuditEventId, type Outcome } from "./entry.ts";
import { FloodWindow, type Result } from "./flood.ts";

const maxBuffered = 10_000;
const maxBatch = 500;
const flushDelayMs = 100;
const retryDelayMs = 1_000;
/** How long equal refusals are counted before the count is written. */
const windowMs = 5_000;

/** An event that is to be written: once, however often that is tried, as its identifier stays. */
export interface WaitingEvent {
  readonly id: string;
  readonly call: AuditedCall;
  readonly result: Outcome;
}

/**
 * Refusals, and the like, on their way to the database. A refusal costs its caller nothing, so it must cost the
 * service little: they are written in batches, and a flood from one source becomes one entry that counts
 * it. When they can't be written and the buffer is full, the service stops answering rather than forget one.
 */
export class BackgroundEvents {
  readonly #write: (events: WaitingEvent[]) => Promise<void>;
  readonly #onError: (error: unknown) => void;
  #buffer: WaitingEvent[] = [];
  #window = new FloodWindow();
  #windowTimer: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;

  constructor(write: (events: WaitingEvent[]) => Promise<void>, onError: (error: unknown) => void) {
    this.#write = write;
    this.#onError = onError;
  }

  add(call: AuditedCall, result: Result): void {
    const time = new Date();
    this.#windowTimer ??= setTimeout(() => this.#closeWindow(), windowMs);
    if (this.#window.counts(call, result, time)) return;
    this.#put(call, { ...result, time, count: 1 });
    this.#schedule(flushDelayMs);
  }

  ensureRoom(): void {
    if (this.#buffer.length + this.#window.size < maxBuffered) return;
    throw new ServiceError(
      Code.unavailable,
      "AUDIT_UNAVAILABLE",
      "The audit log cannot be written, so no call is answered. Try again shortly.",
      { retryAfterMs: 1_000 },
    );
  }

  async close(): Promise<void> {
    await this.#writing;
    this.#closeWindow();
    clearTimeout(this.#timer);
    while (this.#buffer.length > 0) {
      const before = this.#buffer.length;
      await this.#flush();
      if (this.#buffer.length === before) return;
    }
    clearTimeout(this.#timer);
  }

  #put(call: AuditedCall, result: Outcome): void {
    this.#buffer.push({ id: newAuditEventId(), call, result });
  }

  #closeWindow(): void {
    clearTimeout(this.#windowTimer);
    this.#windowTimer = undefined;
    for (const { call, result } of this.#window) this.#put(call, result);
    this.#window = new FloodWindow();
    if (this.#buffer.length > 0) this.#schedule(flushDelayMs);
  }

  #schedule(delayMs: number): void {
    if (this.#timer !== undefined || this.#writing !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#writing = this.#flush().finally(() => {
        this.#writing = undefined;
        if (this.#buffer.length > 0) this.#schedule(this.#nextDelayMs);
      });
    }, delayMs);
  }

  #nextDelayMs = flushDelayMs;

  async #flush(): Promise<void> {
    const batch = this.#buffer.slice(0, maxBatch);
    try {
      await this.#write(batch);
      this.#buffer = this.#buffer.slice(batch.length);
      this.#nextDelayMs = this.#buffer.length > 0 ? 0 : flushDelayMs;
    } catch (error) {
      this.#nextDelayMs = retryDelayMs;
      this.#onError(error);
    }
  }
}
