import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

/** What a benchmarked process answers over its channel. */
export interface Messages {
  ready: unknown;
  /** CPU microseconds of the whole process since its start. */
  cpu: number;
  /** Calls that were answered, of a load generator. */
  done: number;
  /** Calls that were carried out and not refused, since the start, by server. */
  carriedOut: Record<string, number>;
  /** Caches the credentials of all keys. Bytes of memory that each has taken. */
  cached: number;
  /** How many credentials are cached and were not read again since this was last asked. */
  kept: number;
  /** From now on changes are recorded in the audit log. */
  recorded: true;
  /** From now on they are not. */
  unrecorded: true;
  /** How long the oldest event has waited, in milliseconds, while so many were written. */
  lag: { p99: number; writtenPerSecond: number };
  /** Events of the audit log that are sequenced, per second. */
  drained: number;
}

/** A process of the benchmark, pinned to a processor. */
export class BenchProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = once(child, "exit").then(() => {
      throw new Error("a process of the benchmark ended early");
    });
    this.#ended.catch(() => {});
  }

  /**
   * Starts a file of this folder.
   * @param stack stops it
   * @param processor which one to pin it to, where that is possible
   */
  static async start<Ready>(
    stack: AsyncDisposableStack,
    file: string,
    processor: number,
    environment: Record<string, string> = {},
  ): Promise<{ process: BenchProcess; ready: Ready }> {
    const path = fileURLToPath(new URL(file, import.meta.url));
    const child = fork(path, {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const started = new BenchProcess(child);
    stack.defer(() => started.#stop());
    pin(child.pid as number, processor);
    return { process: started, ready: (await started.#answer("ready")) as Ready };
  }

  async ask<K extends keyof Messages>(kind: K, request: object = {}): Promise<Messages[K]> {
    const answer = this.#answer(kind);
    this.#child.send({ kind, ...request });
    return (await answer) as Messages[K];
  }

  async #stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGTERM");
    await once(this.#child, "exit");
  }

  async #answer(kind: keyof Messages): Promise<unknown> {
    const answered = once(this.#child, "message").then(([message]) => message[kind]);
    return Promise.race([answered, this.#ended]);
  }
}

/** Keeps a process, and those that it will start, on one processor. */
export function pin(pid: number, processor: number): void {
  if (availableParallelism() < 2) return;
  // Without taskset, or where it is refused, the processes share all processors.
  spawnSync("taskset", ["--all-tasks", "--cpu-list", "--pid", String(processor), String(pid)]);
}

/** What a process that is measured answers to. */
export type Answers = { [K in keyof Messages]?: () => Messages[K] | Promise<Messages[K]> };

/** Answers the questions of the benchmark, in a process that is measured, and says that it is ready. */
export function answer(ready: unknown, answers: Answers): void {
  const all: Answers = { cpu: usedCpu, ...answers };
  process.on("message", async ({ kind }: { kind: keyof Messages }) => {
    process.send?.({ [kind]: await all[kind]?.() });
  });
  process.send?.({ ready });
}

function usedCpu(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
