import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";

/** Whether this machine has a Go that builds programs of the tests. */
export const hasGo = spawnSync("go", ["version"]).status === 0;

/**
 * Builds a Go program.
 * @param source its folder
 * @returns the executable
 */
export function buildGo(source: string, folder: string): string {
  const executable = join(folder, "program");
  // What needs a newer Go than there is would otherwise be downloaded.
  const env = { ...process.env, GOTOOLCHAIN: "local", GOFLAGS: "-mod=readonly -buildvcs=false" };
  execFileSync("go", ["build", "-o", executable, "."], { cwd: source, env });
  return executable;
}
