import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** The service as its users start it, in a process of its own. */
export class ServiceProcess {
  readonly #child: ChildProcess;
  /** All that it has printed. */
  output = "";

  private constructor(child: ChildProcess) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.output += chunk;
      });
    }
  }

  /** Starts it on any free ports. @throws Error with its output, when it ends before it is ready */
  static async start(settings: Record<string, string>): Promise<ServiceProcess> {
    const started = ServiceProcess.launch(settings);
    const deadline = Date.now() + 60_000;
    while (!/ gRPC {5,}\S+/.test(started.output)) {
      if (started.#child.exitCode !== null) throw new Error(started.output);
      if (Date.now() > deadline) throw new Error(`not ready in a minute: ${started.output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return started;
  }

  /** Starts it without waiting. */
  static launch(settings: Record<string, string>): ServiceProcess {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("PDAAS_"));
    const child = spawn(process.execPath, [main], {
      env: {
        ...Object.fromEntries(inherited),
        PDAAS_GRPC_LISTEN: "127.0.0.1:0",
        PDAAS_HTTP_LISTEN: "127.0.0.1:0",
        ...settings,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    return new ServiceProcess(child);
  }

  get httpUrl(): string {
    return /https?:\/\/[\d.]+:\d+/.exec(this.output)?.[0] ?? "";
  }

  get grpcUrl(): string {
    return `http://${/ gRPC {5,}(\S+)/.exec(this.output)?.[1] ?? ""}`;
  }

  /** The administrator's password, which a first start prints. */
  get password(): string | undefined {
    return /password\s+(\w+)/.exec(this.output)?.[1];
  }

  /** Ends it at once, as a lost machine would. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** @returns its exit code */
  async stop(): Promise<number | null> {
    await this.#end("SIGTERM");
    return this.#child.exitCode;
  }

  /** Waits for its own end. @returns its exit code */
  async ended(): Promise<number | null> {
    if (this.#child.exitCode === null) await once(this.#child, "exit");
    return this.#child.exitCode;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill(signal);
    await exited;
  }
}
