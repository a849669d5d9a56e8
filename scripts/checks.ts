import { spawn } from "node:child_process";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What holds of the repository without running the service. */
export const checks: Record<string, () => Promise<void>> = {
  "lint and formatting": () => run("biome", "ci", "--colors=off", "."),
  types: () => run("tsc", "-p", "."),
  "contract: lint": () => run("buf", "lint"),
  "contract: formatting": () => run("buf", "format", "--diff", "--exit-code", "proto"),
  "contract: breaking changes": () => run("buf", "breaking", "--against", golden),
  "contract: generated code is up to date": generatedIsUpToDate,
  "signing vectors are up to date": () => run("python3", "test/vectors/generate.py", "--check"),
};

/** The contract as it was last published. */
const golden = "test/golden/contract.binpb";

async function generatedIsUpToDate(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "pdaas-gen-"));
  try {
    for (const file of ["buf.yaml", "buf.gen.yaml", "proto", "third_party"]) {
      await cp(file, join(folder, file), { recursive: true });
    }
    await run("buf", "generate", folder, "--template", "buf.gen.yaml", "--output", folder);
    await run("diff", "--recursive", "--brief", "gen", join(folder, "gen"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @throws Error with all that the program has printed, when it fails */
export async function run(command: string, ...args: string[]): Promise<void> {
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
