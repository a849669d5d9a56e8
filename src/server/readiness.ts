import type { App } from "../rpc/app.ts";
import { pingDatabase } from "../store/ping.ts";

const intervalMs = 1_000;

/** What is wrong, by part; empty when the service can serve. */
export type Faults = Record<string, string>;

/**
 * Whether signed calls can be served now: asked once a second, so that asking costs nothing however
 * often it is done.
 */
export class Readiness {
  readonly #app: App;
  readonly #onChange: (ready: boolean) => void;
  #faults: Faults = { start: "the first check is not done" };
  #timer: NodeJS.Timeout | undefined;
  #closing = false;

  constructor(app: App, onChange: (ready: boolean) => void) {
    this.#app = app;
    this.#onChange = onChange;
  }

  get faults(): Faults {
    return this.#faults;
  }

  async start(): Promise<void> {
    await this.#check();
    this.#schedule();
  }

  /** From now on not ready, so that no new calls are sent here. */
  close(): void {
    this.#closing = true;
    clearTimeout(this.#timer);
    this.#set({ shutdown: "the server is shutting down" });
  }

  #schedule(): void {
    this.#timer = setTimeout(async () => {
      await this.#check();
      if (!this.#closing) this.#schedule();
    }, intervalMs).unref();
  }

  async #check(): Promise<void> {
    const [database, replayStore] = await Promise.allSettled([
      pingDatabase(this.#app.db),
      this.#app.replay.check(),
    ]);
    if (this.#closing) return;
    const faults: Faults = {};
    if (database.status === "rejected") faults.database = "cannot be reached";
    if (replayStore.status === "rejected") faults["replay store"] = "cannot be reached";
    this.#set(faults);
  }

  #set(faults: Faults): void {
    const wasReady = Object.keys(this.#faults).length === 0;
    this.#faults = faults;
    const isReady = Object.keys(faults).length === 0;
    if (isReady === wasReady) return;
    this.#app.log[isReady || this.#closing ? "info" : "error"](
      { faults },
      isReady ? "ready" : "not ready",
    );
    this.#onChange(isReady);
  }
}
