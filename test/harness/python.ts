import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const sdk = join(import.meta.dirname, "../../sdk/python");
const environment = join(sdk, ".venv");

/**
 * A Python with the SDK and what its tests need, made when it is missing or out of date.
 * @returns its executable
 * @throws Error when there is no Python 3.10 or later
 */
export function pythonOfSdk(): string {
  const python = join(environment, "bin/python");
  const files = ["pyproject.toml", "requirements-dev.txt"].map((name) => join(sdk, name));
  const hash = createHash("sha256").update(files.map((file) => readFileSync(file)).join("\0"));
  const wanted = hash.digest("hex");
  const stamp = join(environment, "installed");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return python;
  rmSync(environment, { recursive: true, force: true });
  run(systemPython(), "-m", "venv", environment);
  const requirements = join(sdk, "requirements-dev.txt");
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  run(python, ...pip, "--editable", sdk, "--requirement", requirements);
  writeFileSync(stamp, wanted);
  return python;
}

function systemPython(): string {
  const check = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))";
  const names = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"];
  const found = names.find((name) => spawnSync(name, ["-c", check]).status === 0);
  if (found !== undefined) return found;
  throw new Error(
    "The tests of the Python SDK need Python 3.10 or later with venv and ensurepip (Debian: the package python3-venv).",
  );
}

function run(program: string, ...args: string[]): void {
  execFileSync(program, args, { stdio: ["ignore", "ignore", "inherit"] });
}
