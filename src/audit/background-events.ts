import { Code, ServiceError } from "../errors.ts";
import type { NewAuditEvent } from "../store/audit-events.ts";

const maxBuffered = 10_000;
const maxBatch = 500;
const flushDelayMs = 100;
const retryDelayMs = 1_000;

/**
 * Refusals, and the like, on their way to the database. A refusal costs its caller nothing, so it must cost the
 * service little: they are written in batches. When they can't be written and the buffer is full,
 * the service stops answering rather than forget one.
 */
export class BackgroundEvents {
  readonly #write: (events: NewAuditEvent[]) => Promise<void>;
  readonly #onError: (error: unknown) => void;
  #buffer: NewAuditEvent[] = [];
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;

  constructor(
    write: (events: NewAuditEvent[]) => Promise<void>,
    onError: (error: unknown) => void,
  ) {
    this.#write = write;
    this.#onError = onError;
  }

  add(event: NewAuditEvent): void {
    this.#buffer.push(event);
    this.#schedule(flushDelayMs);
  }

  ensureRoom(): void {
    if (this.#buffer.length < maxBuffered) return;
    throw new ServiceError(
      Code.unavailable,
      "AUDIT_UNAVAILABLE",
      "The audit log cannot be written, so no call is answered. Try again shortly.",
      { retryAfterMs: 1_000 },
    );
  }

  async close(): Promise<void> {
    await this.#writing;
    clearTimeout(this.#timer);
    while (this.#buffer.length > 0) {
      const before = this.#buffer.length;
      await this.#flush();
      if (this.#buffer.length === before) return;
    }
    clearTimeout(this.#timer);
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
