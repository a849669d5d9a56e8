import { rename, writeFile } from "node:fs/promises";

/** At most so often. */
const intervalMs = 1_000;
const timeoutMs = 10_000;

/** Where checkpoints go besides the database; undefined: nowhere. */
export interface PublishTo {
  file: string | undefined;
  url: string | undefined;
}

/**
 * Puts the newest checkpoint where whoever may write the database may not: a log that was rewritten can then
 * be told from it. What cannot be published is tried again, and holds nothing up.
 */
export class CheckpointPublisher {
  readonly #to: PublishTo;
  readonly #onError: (error: unknown) => void;
  #newest: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #publishing: Promise<void> = Promise.resolve();

  constructor(to: PublishTo, onError: (error: unknown) => void) {
    this.#to = to;
    this.#onError = onError;
  }

  publish(checkpoint: string): void {
    if (this.#to.file === undefined && this.#to.url === undefined) return;
    this.#newest = checkpoint;
    this.#timer ??= setTimeout(() => {
      this.#publishing = this.#flush().finally(() => {
        this.#timer = undefined;
        if (this.#newest !== undefined) this.publish(this.#newest);
      });
    }, intervalMs);
  }

  /** Publishes what is left. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#publishing;
    clearTimeout(this.#timer);
    await this.#flush();
  }

  async #flush(): Promise<void> {
    const checkpoint = this.#newest;
    if (checkpoint === undefined) return;
    this.#newest = undefined;
    try {
      await this.#write(checkpoint);
      await this.#send(checkpoint);
    } catch (error) {
      this.#newest ??= checkpoint;
      this.#onError(error);
    }
  }

  /** Readers see one checkpoint or the other, and never half of one. */
  async #write(checkpoint: string): Promise<void> {
    const { file } = this.#to;
    if (file === undefined) return;
    await writeFile(`${file}.new`, checkpoint);
    await rename(`${file}.new`, file);
  }

  async #send(checkpoint: string): Promise<void> {
    const { url } = this.#to;
    if (url === undefined) return;
    const answer = await fetch(url, {
      method: "PUT",
      headers: { "content-type": "text/plain; charset=utf-8" },
      body: checkpoint,
      signal: AbortSignal.timeout(timeoutMs),
    });
    await answer.body?.cancel();
    if (!answer.ok) throw new Error(`the checkpoint was answered with status ${answer.status}`);
  }
}
