import { spawn } from "node:child_process";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The contract as it was last published. */
const published = "test/golden/contract.binpb";

/** What holds of the repository without running the service. */
const checks: Record<string, () => Promise<void>> = {
  "lint and formatting": () => run("biome", "ci", "--colors=off", "--error-on-warnings", "."),
  types: () => run("tsc", "-p", "."),
  "contract: lint": () => run("buf", "lint"),
  "contract: formatting": () => run("buf", "format", "--diff", "--exit-code", "proto"),
  "contract: no breaking changes": () => run("buf", "breaking", "proto", "--against", published),
  "contract: generated code is up to date": generatedIsUpToDate,
  "signing vectors are up to date": () => run("python3", "test/vectors/generate.py", "--check"),
};

/** Runs every check, and tells each outcome. */
export async function runChecks(): Promise<{ passed: number; failed: number }> {
  let failed = 0;
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      process.stdout.write(`ok      ${name}\n`);
    } catch (error) {
      failed++;
      process.stdout.write(`FAILED  ${name}\n${(error as Error).message}\n`);
    }
  }
  return { passed: Object.keys(checks).length - failed, failed };
}

async function generatedIsUpToDate(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "pdaas-gen-"));
  try {
    for (const name of ["buf.yaml", "buf.gen.yaml", "proto", "third_party"]) {
      await cp(name, join(folder, name), { recursive: true });
    }
    await run("buf", "generate", folder, "--template", "buf.gen.yaml", "--output", folder);
    await run("diff", "--recursive", "--brief", "gen", join(folder, "gen"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @throws Error with all that the program has printed, when it fails */
async function run(command: string, ...args: string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk;
    });
  }
  const code = await new Promise((resolve) => {
    child.once("error", (error) => {
      output += error.message;
      resolve(1);
    });
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}\n${output}`);
}
