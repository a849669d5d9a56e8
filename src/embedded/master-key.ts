import { randomBytes } from "node:crypto";
import { link, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { ConfigError, decodeMasterKey } from "../config.ts";

/**
 * The master key of the embedded mode, from a file that only its owner can read; made when missing.
 * @throws ConfigError when others could have read it
 */
export async function openMasterKey(file: string): Promise<Buffer> {
  await mkdir(dirname(file), { recursive: true, mode: 0o755 });
  await create(file);
  const { mode } = await stat(file);
  if ((mode & 0o077) !== 0) {
    throw new ConfigError(
      `${file}: others than its owner can read this master key. Run chmod 600 on it, or take a new data folder if they may have.`,
    );
  }
  return decodeMasterKey(await readFile(file, "utf8"), file);
}

/** The file appears whole or not at all, and an existing one is never replaced. */
async function create(file: string): Promise<void> {
  const draft = `${file}.${randomBytes(8).toString("hex")}`;
  await writeFile(draft, `${randomBytes(32).toString("base64")}\n`, { mode: 0o600, flush: true });
  try {
    await link(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(draft, { force: true });
  }
}
