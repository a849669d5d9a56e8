import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { type Binaries, findBinaries, isReachable, reachableHome } from "./binaries.ts";

export interface EmbeddedPostgresOptions {
  /** Where the data is kept; made when missing. */
  dataDir: string;
  /** Settings besides ours, such as `fsync: "off"` for tests. */
  settings?: Record<string, string>;
}

/** A Postgres server of our own, on a Unix socket that only its owner can reach. */
export interface EmbeddedPostgres {
  poolConfig: pg.PoolConfig;
  /** Where the data really is: elsewhere for root, when Postgres's user cannot enter the folder. */
  dataDir: string;
  /** Told when it ends without having been stopped. */
  onEnd(listener: () => void): void;
  stop(): Promise<void>;
}

interface User {
  uid: number;
  gid: number;
}

const database = { user: "pdaas", database: "postgres" };
const startTimeoutMs = 30_000;
/** Advisory lock of the process that owns the server: a server that nobody owns is an orphan. */
const ownerLock = "select pg_try_advisory_lock(x'70676f77'::int) as held";

/**
 * Starts Postgres on a data folder. A server that a killed process has left there is stopped first:
 * what it has acknowledged is on disk.
 * @throws Error when another process uses the folder, or Postgres does not start
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const user = otherUser();
  const binaries = findBinaries(user?.uid);
  const dataDir = placeOf(resolve(options.dataDir), user);
  await stopOrphan(dataDir);
  await initialize(binaries, dataDir, user);
  const socketDir = mkdtempSync(join(tmpdir(), "pdaas-"));
  give(socketDir, user);
  const poolConfig = { host: socketDir, ...database };
  const launchServer = () => launch(binaries, dataDir, socketDir, user, options.settings ?? {});
  const { server, owner } = await startWhenFree(launchServer, poolConfig).catch((error) => {
    rmSync(socketDir, { recursive: true, force: true });
    throw error;
  });
  let stopping = false;
  return {
    poolConfig,
    dataDir,
    onEnd: (listener) => server.process.once("exit", () => stopping || listener()),
    stop: () => {
      stopping = true;
      return stop(server.process, owner, socketDir);
    },
  };
}

/** When a server was killed, its children end a moment later, and hold the data folder until then. */
async function startWhenFree(
  launchServer: () => Child,
  poolConfig: pg.PoolConfig,
): Promise<{ server: Child; owner: pg.Client }> {
  const giveUpAt = Date.now() + startTimeoutMs;
  for (;;) {
    const server = launchServer();
    try {
      return { server, owner: await connectWhenReady(server, poolConfig) };
    } catch (error) {
      await end(server.process);
      const isHeld = /pre-existing shared memory block/.test(server.output());
      if (!isHeld || Date.now() > giveUpAt) throw error;
    }
    await delay(100);
  }
}

/** Postgres refuses to run as root, so root runs it as somebody else. */
function otherUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = readFileSync("/etc/passwd", "utf8").split("\n");
  for (const name of ["postgres", "nobody"]) {
    const [, , uid, gid] = accounts.find((line) => line.startsWith(`${name}:`))?.split(":") ?? [];
    if (uid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error(
    "Postgres does not run as root, and there is neither a user postgres nor nobody. Start as another user, or set PDAAS_DATABASE_URL.",
  );
}

function placeOf(dataDir: string, user: User | undefined): string {
  mkdirSync(dirname(dataDir), { recursive: true });
  if (user === undefined || isReachable(dirname(dataDir), user.uid)) return dataDir;
  return reachableHome(`data-${createHash("sha256").update(dataDir).digest("hex").slice(0, 16)}`);
}

function give(folder: string, user: User | undefined): void {
  chmodSync(folder, 0o700);
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
}

/** Stops a server that runs on the folder, unless a living process owns it. */
async function stopOrphan(dataDir: string): Promise<void> {
  const running = runningServer(dataDir);
  if (running === undefined) return;
  const client = new pg.Client({ host: running.socketDir, ...database });
  client.on("error", () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ held: boolean }>(ownerLock);
    if (rows[0]?.held !== true) {
      throw new InUseError(
        `Another process uses the data folder ${dataDir}. Stop it, or set PDAAS_DATA_DIR to another folder.`,
      );
    }
  } catch (error) {
    // One that does not answer is stopped all the same.
    if (error instanceof InUseError) throw error;
  } finally {
    await client.end().catch(() => {});
  }
  await kill(running.pid);
  rmSync(running.socketDir, { recursive: true, force: true });
}

class InUseError extends Error {}

/** What postmaster.pid tells, if its process is alive and is a Postgres. */
function runningServer(dataDir: string): { pid: number; socketDir: string } | undefined {
  const file = join(dataDir, "postmaster.pid");
  if (!existsSync(file)) return undefined;
  const lines = readFileSync(file, "utf8").split("\n");
  const [pid, socketDir] = [Number(lines[0]), lines[4] ?? ""];
  if (!Number.isInteger(pid) || pid <= 1 || !isAlive(pid) || !existsSync(socketDir))
    return undefined;
  return { pid, socketDir };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Fast first (SIGINT), then at once (SIGQUIT): both keep what was committed. */
async function kill(pid: number): Promise<void> {
  for (const signal of ["SIGINT", "SIGQUIT"] as const) {
    process.kill(pid, signal);
    for (let i = 0; i < 100 && isAlive(pid); i++) await delay(50);
    if (!isAlive(pid)) return;
  }
  throw new Error(`The Postgres that a former process has left (process ${pid}) does not stop.`);
}

/** Makes the folder under another name first: it is there whole or not at all. */
async function initialize(
  { bin, major }: Binaries,
  dataDir: string,
  user: User | undefined,
): Promise<void> {
  if (existsSync(dataDir)) {
    const found = Number.parseInt(readFileSync(join(dataDir, "PG_VERSION"), "utf8"), 10);
    if (found === major) return;
    throw new Error(
      `${dataDir} was written by Postgres ${found}, and this release has Postgres ${major}. Dump it with the release that wrote it, or set PDAAS_DATA_DIR to a new folder.`,
    );
  }
  const draft = `${dataDir}.draft`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft);
  give(draft, user);
  const args = ["-D", draft, "-U", database.user, "-A", "trust", "-E", "UTF8", "--locale=C"];
  const child = start(join(bin, "initdb"), [...args, "--no-instructions"], user);
  const [code] = await once(child.process, "exit");
  if (code !== 0) throw new Error(`initdb failed: ${child.output()}`);
  renameSync(draft, dataDir);
}

interface Child {
  process: ChildProcess;
  /** The end of what it has printed. */
  output(): string;
}

function launch(
  { bin }: Binaries,
  dataDir: string,
  socketDir: string,
  user: User | undefined,
  extra: Record<string, string>,
): Child {
  const settings = {
    listen_addresses: "",
    unix_socket_directories: socketDir,
    unix_socket_permissions: "0700",
    max_connections: "100",
    ...extra,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  return start(join(bin, "postgres"), ["-D", dataDir, ...args], user);
}

/** In a process group of its own: a Ctrl-C is ours to handle, so that calls in flight can finish. */
function start(program: string, args: string[], user: User | undefined): Child {
  const child = spawn(program, args, {
    ...user,
    cwd: "/",
    detached: true,
    env: { PATH: "/usr/bin:/bin", TZ: "UTC", LC_ALL: "C" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-4_000);
    });
  }
  return { process: child, output: () => output.trim() };
}

async function connectWhenReady(server: Child, config: pg.PoolConfig): Promise<pg.Client> {
  const giveUpAt = Date.now() + startTimeoutMs;
  for (;;) {
    const client = new pg.Client(config);
    client.on("error", () => {});
    try {
      await client.connect();
      await client.query(ownerLock);
      return client;
    } catch (error) {
      const { exitCode, signalCode } = server.process;
      if (exitCode !== null || signalCode !== null || Date.now() > giveUpAt) {
        throw new Error(`Postgres did not start: ${server.output()}`, { cause: error });
      }
    }
    await delay(20);
  }
}

async function stop(child: ChildProcess, owner: pg.Client, socketDir: string): Promise<void> {
  await owner.end().catch(() => {});
  await end(child);
  rmSync(socketDir, { recursive: true, force: true });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = once(child, "exit");
  child.kill("SIGINT");
  await exited;
}
