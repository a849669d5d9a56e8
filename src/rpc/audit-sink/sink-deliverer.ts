import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { takeSink } from "../../store/audit-deliveries.ts";
import type { App } from "../app.ts";
import { serveSink } from "./serve-sink.ts";

/** How long an event may wait to be looked for. */
const idleMs = 250;
const retryMs = 1_000;
/** So many sinks are served at the same time, so that slow ones do not hold up the others. */
const maxServed = 16;

/** Delivers audit events to sinks, as one of any number of processes that do. */
export class SinkDeliverer {
  readonly #app: App;
  readonly #closing = new AbortController();
  readonly #serving = new Set<Promise<void>>();
  #running: Promise<void> = Promise.resolve();

  constructor(app: App) {
    this.#app = app;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Breaks deliveries off: whoever goes on makes them again. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("the service stops"));
    await this.#running;
    await Promise.all(this.#serving);
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        if (this.#serving.size >= maxServed) {
          await Promise.race(this.#serving);
        } else if (!(await this.#serveOne())) {
          // A sink that was served may have more to be delivered.
          await Promise.race([this.#pause(idleMs), ...this.#serving]);
        }
      } catch (error) {
        this.#warn(error);
        await this.#pause(retryMs);
      }
    }
  }

  async #serveOne(): Promise<boolean> {
    const sink = await takeSink(this.#app.db, randomUUID());
    if (sink === undefined) return false;
    const serving = serveSink(this.#app, sink, this.#closing.signal)
      .catch((error: unknown) => this.#warn(error))
      .finally(() => this.#serving.delete(serving));
    this.#serving.add(serving);
    return true;
  }

  #warn(error: unknown): void {
    this.#app.log.warn({ err: error }, "audit sinks");
  }

  async #pause(milliseconds: number): Promise<void> {
    await delay(milliseconds, undefined, { signal: this.#closing.signal }).catch(() => {});
  }
}
