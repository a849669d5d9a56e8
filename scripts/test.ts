// Everything that must hold before a change is taken: the checks, then the tests.
//
//   npm test                  all of it
//   npm test -- signature     only the tests of files whose path contains "signature"

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runChecks } from "./checks.ts";

const filters = process.argv.slice(2);
const checks = filters.length === 0 ? await runChecks() : { passed: 0, failed: 0 };
const tests = await runTests();
const passed = checks.passed + tests.passed;
const failed = checks.failed + tests.failed;
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

async function runTests(): Promise<{ passed: number; failed: number }> {
  const folder = await mkdtemp(join(tmpdir(), "pdaas-results-"));
  const file = join(folder, "results.json");
  try {
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
    const child = spawn("vitest", ["run", ...reporters, ...filters], { stdio: "inherit" });
    const code = await new Promise((resolve) => child.once("close", resolve));
    return counted(await readFile(file, "utf8").catch(() => undefined), code);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A skipped test has shown nothing, so it counts as failed; so does a run that broke off. */
function counted(results: string | undefined, code: unknown): { passed: number; failed: number } {
  if (results === undefined) return { passed: 0, failed: 1 };
  const { numPassedTests: passed, numTotalTests: total } = JSON.parse(results);
  const failed = total - passed;
  return { passed, failed: failed === 0 && code !== 0 ? 1 : failed };
}
