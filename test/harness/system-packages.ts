import { spawnSync } from "node:child_process";

const managers = [
  { name: "apt-get", update: ["update"], install: ["install", "--yes", "--no-install-recommends"] },
  { name: "dnf", update: undefined, install: ["install", "--assumeyes"] },
  { name: "apk", update: undefined, install: ["add"] },
] as const;

export type PackageNames = Record<(typeof managers)[number]["name"], string>;

/** Installs what the tests need from the system's packages, where this user may. */
export function installPackage(what: string, names: PackageNames): void {
  if (process.getuid?.() !== 0) return;
  const manager = managers.find(({ name }) => spawnSync(name, ["--version"]).status === 0);
  if (manager === undefined) return;
  // A server that comes with it is not wanted: the tests start their own on free ports.
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  process.stderr.write(`Installing ${what} with ${manager.name}, which the tests need\n`);
  if (manager.update !== undefined) spawnSync(manager.name, manager.update, { env });
  spawnSync(manager.name, [...manager.install, names[manager.name]], { env });
}
