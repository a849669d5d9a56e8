import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ExportedLine, FakeLog, linesOf } from "./support/export.ts";

const program = join(import.meta.dirname, "../../sdk/typescript/src/cli/main.ts");
const log = new FakeLog(12);
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pdaas-cli-"));
  const events = log.events();
  file("export.jsonl", `${linesOf([...events, log.end()]).join("\n")}\n`);
  file("later.jsonl", linesOf([log.start(5), ...log.events(5), log.end()]).join("\n"));
  file("gap.jsonl", linesOf([...events.toSpliced(4, 2), log.end()]).join("\n"));
  for (const size of [3, 12]) file(`saved-${size}.json`, `${JSON.stringify(log.end(size))}\n`);
  file("other.json", JSON.stringify(new FakeLog(5).end()));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string): void {
  writeFileSync(join(folder, name), text);
}

function pdaas(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: folder,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

const verify = (...args: string[]) => pdaas("audit", "verify", ...args);
const key = ["--key", log.key];

test("0 for an export that is complete and unchanged", () => {
  const checkpoints = ["--checkpoint", "saved-3.json", "--checkpoint", "saved-12.json"];
  const expected = "The audit log of org_1 is complete and unchanged from 1 to 12.\n";
  for (const more of [[], checkpoints]) {
    const result = verify("export.jsonl", ...more, ...key);
    expect(result).toEqual({ status: 0, stdout: expected, stderr: "" });
  }
});

test("1 for an export in which something is wrong, which is told", () => {
  const { status, stdout } = verify("gap.jsonl", ...key);
  expect(status).toBe(1);
  expect(stdout).toMatch(/^gap: Events 5 to 6 are missing\.\n/);
  expect(stdout).not.toContain("complete and unchanged");
});

test("1 for an export that begins later, unless that is said", () => {
  const { status, stdout } = verify("later.jsonl", ...key);
  const expected = "gap: Events 1 to 4 are not in the export, which begins with event 5.\n";
  expect({ status, stdout }).toEqual({ status: 1, stdout: expected });
  expect(verify("later.jsonl", "--from", "4", ...key).status).toBe(1);
  expect(verify("later.jsonl", "--from", "5", ...key).stdout).toMatch(/unchanged from 5 to 12\.$/m);
});

test("1 for a checkpoint that does not fit", () => {
  const { status, stdout } = verify("export.jsonl", "--checkpoint", "other.json", ...key);
  expect(status).toBe(1);
  expect(stdout).toMatch(/^signature: other\.json: /);
});

test("nothing in a file gives orders to a terminal", () => {
  const [first, ...events] = log.events();
  const personal = { "\u001b[2J\u009b2J\n": { salt: "", value: "" } };
  const lines = linesOf([{ ...first, personal } as ExportedLine, ...events, log.end()]);
  file("orders.jsonl", lines.join("\n"));
  const { stdout } = verify("orders.jsonl", ...key);
  expect(stdout).toMatch(/^changed: Event 1 .*\n$/);
  expect(stdout.trimEnd()).not.toMatch(/\p{Cc}/u);
});

test.each([
  ["without a key", ["export.jsonl"]],
  ["of a file that is not there", ["nothing.jsonl", ...key]],
  ["of a checkpoint that is not there", ["export.jsonl", "--checkpoint", "nothing.json", ...key]],
  ["with an option that is unknown", ["export.jsonl", "--checkpoints", "saved-3.json", ...key]],
  ["from no number", ["export.jsonl", "--from", "0", ...key]],
  ["of two files", ["export.jsonl", "gap.jsonl", ...key]],
])("2 when nothing was verified: %s", (_, args) => {
  const { status, stdout, stderr } = verify(...args);
  expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  expect(stderr).not.toMatch(/^\s+at /m);
});

test("help says what the exit codes mean", () => {
  const { status, stdout } = verify("--help");
  expect(status).toBe(0);
  expect(stdout).toMatch(/Exits with 0 only if the export is complete and unchanged/);
});
