// Runs a program of this repository on the Node that package-lock.json pins, after installing what is
// missing. Plain JavaScript: whatever Node the machine has must be able to start it.
//
//   node scripts/run.mjs <program.ts> [arguments]

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const stamp = join(root, "node_modules", ".installed");

install();
run(node(), process.argv.slice(2));

/** What is installed is good for as long as these files are the same. */
function install() {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}`);
  for (const file of ["package.json", "package-lock.json", "sdk/typescript/package.json"]) {
    hash.update(readFileSync(join(root, file)));
  }
  const wanted = hash.digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  process.stderr.write("Installing dependencies…\n");
  // Not `npm ci`: it refuses a lock file that was written where not every platform's packages were to be had.
  const args = ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = process.env.npm_execpath;
  const [command, first] = npm === undefined ? ["npm", []] : [process.execPath, [npm]];
  const { status } = spawnSync(command, [...first, ...args], {
    cwd: root,
    // Standard output is the program's.
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) {
    process.stderr.write("npm install failed. Mend what it says above, and run this again.\n");
    process.exit(1);
  }
  writeFileSync(stamp, wanted);
}

/** The pinned Node, or the running one where there is no package of it for the platform. */
function node() {
  const pinned = join(root, "node_modules", ".bin", "node");
  if (existsSync(pinned)) return pinned;
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 22 || (major === 22 && minor >= 18)) return process.execPath;
  process.stderr.write(
    `Node ${process.versions.node} is too old, and none is packaged for this platform. Install Node 22.18 or later.\n`,
  );
  process.exit(1);
}

function run(command, args) {
  const bin = join(root, "node_modules", ".bin");
  const child = spawn(command, args, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
  });
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  // A terminal interrupts the child as well, and a second signal would end it before it has cleaned up.
  process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"));
  child.on("exit", (code, signal) => process.exit(signal === null ? code : 1));
}
