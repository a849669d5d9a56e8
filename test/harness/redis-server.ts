import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { installPackage } from "./system-packages.ts";

/** A Redis of our own, which nobody else uses and which keeps nothing on disk. */
export interface RedisServer {
  readonly url: string;
  /** Of its process: another after a restart. */
  readonly pid: number;
  /** Ends it at once; what it remembered is lost. */
  kill(): Promise<void>;
  /** Lets it hang: connections stay, and nothing is answered. */
  pause(): void;
  resume(): void;
  /** Starts it again on the same port: empty, or with its last snapshot. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * @param options.snapshots whether it keeps what it is told to in a snapshot, which a restart reads
 * @throws Error when no Redis can be had, telling what to do
 */
export async function startRedisServer(
  options: { snapshots?: boolean } = {},
): Promise<RedisServer> {
  const program = findProgram();
  const folder = await mkdtemp(join(tmpdir(), "pdaas-redis-"));
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  let child = await launch(program, folder, port, options.snapshots === true);
  return {
    url,
    get pid() {
      return child.pid as number;
    },
    kill: () => end(child, "SIGKILL"),
    pause: () => child.kill("SIGSTOP"),
    resume: () => child.kill("SIGCONT"),
    restart: async () => {
      await end(child, "SIGKILL");
      child = await launch(program, folder, port, options.snapshots === true);
    },
    stop: async () => {
      await end(child, "SIGTERM");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function findProgram(): string {
  const program = installed();
  if (program !== undefined) return program;
  installPackage("Redis", { "apt-get": "redis-server", dnf: "valkey", apk: "redis" });
  const now = installed();
  if (now !== undefined) return now;
  throw new Error(
    "The tests need a real Redis: install redis-server or valkey-server, or set PDAAS_TEST_REDIS_URL to a running one.",
  );
}

function installed(): string | undefined {
  return ["redis-server", "valkey-server"].find(
    (program) => spawnSync(program, ["--version"]).status === 0,
  );
}

async function launch(
  program: string,
  folder: string,
  port: number,
  snapshots: boolean,
): Promise<ChildProcess> {
  const save = snapshots ? "3600 1" : "";
  const settings = { port, bind: "127.0.0.1", save, appendonly: "no", dir: folder };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawn(program, args, { stdio: "ignore" });
  const redis = new Redis({ port, lazyConnect: true, retryStrategy: () => 20 });
  redis.on("error", () => {});
  try {
    await redis.connect().catch(() => {});
    await redis.ping();
  } finally {
    redis.disconnect();
  }
  return child;
}

async function end(child: ChildProcess, signal: "SIGKILL" | "SIGTERM"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill(signal);
  await exited;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
