import { PdaasError } from "./errors.ts";

/** How long a call may take, with its retries. */
export class Deadline {
  readonly #end: number;
  readonly #timeoutMs: number;
  readonly signal: AbortSignal | undefined;

  /** @param signal aborts the call earlier */
  constructor(timeoutMs: number, signal: AbortSignal | undefined) {
    this.#timeoutMs = timeoutMs;
    this.#end = performance.now() + timeoutMs;
    this.signal = signal;
  }

  /** Milliseconds left, rounded up; 0 when it has passed. */
  get remainingMs(): number {
    return Math.max(0, Math.ceil(this.#end - performance.now()));
  }

  /** @throws PdaasError `deadline_exceeded` or `cancelled` */
  check(): void {
    if (this.signal?.aborted) throw this.#cancelled();
    if (this.remainingMs === 0) throw this.#exceeded();
  }

  /** Waits for work that others may be waiting for too, and leaves it alone when it takes too long. */
  async wait<T>(work: Promise<T>): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let onAbort = () => {};
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#exceeded()), this.remainingMs);
      onAbort = () => reject(this.#cancelled());
      this.signal?.addEventListener("abort", onAbort);
      if (this.signal?.aborted) onAbort();
    });
    try {
      return await Promise.race([work, limit]);
    } finally {
      clearTimeout(timer);
      this.signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Sleeps, unless it is aborted before. */
  async sleep(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const pause = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    try {
      await this.wait(pause);
    } finally {
      clearTimeout(timer);
    }
  }

  #cancelled(): PdaasError {
    const cause = this.signal?.reason;
    return new PdaasError("The call was cancelled by its caller.", { code: "cancelled", cause });
  }

  #exceeded(): PdaasError {
    const message = `There was no answer within ${this.#timeoutMs} ms.`;
    return new PdaasError(message, { code: "deadline_exceeded" });
  }
}
