import { open, readFile } from "node:fs/promises";
import { Command, InvalidArgumentError } from "commander";
import { type AuditVerification, verifyAuditExport } from "../audit/verify-export.ts";

interface Options {
  key: string[];
  checkpoint?: string[];
  from: number;
}

const manual = `
Verifies without asking the service. Exits with 0 only if the export is complete and unchanged, and every
checkpoint fits; with 1 if something else was found, which is then told, line by line; with 2 if nothing
could be verified.`;

/** `pdaas audit verify`. */
export function verifyCommand(): Command {
  return new Command("verify")
    .description("Verifies an export of the audit log.")
    .argument("<export>", "the file that the export was written to")
    .requiredOption("--key <verifier key>", "a key that the log signs with; may be repeated", add)
    .option("--checkpoint <file>", "a checkpoint that you have saved; may be repeated", add)
    .option("--from <number>", "the first event that must be there", numberOf, 1)
    .addHelpText("after", manual)
    .action(run);
}

function add(value: string, values: string[] = []): string[] {
  return [...values, value];
}

function numberOf(value: string): number {
  if (/^[1-9]\d{0,14}$/.test(value)) return Number(value);
  throw new InvalidArgumentError("It is the number of an event.");
}

async function run(
  file: string,
  { key: verifierKeys, checkpoint = [], from }: Options,
): Promise<void> {
  const checkpoints = await Promise.all(
    checkpoint.map(async (name) => ({ name, text: await readFile(name, "utf8") })),
  );
  await using handle = await open(file);
  const lines = handle.readLines();
  report(await verifyAuditExport({ lines, verifierKeys, checkpoints, from }));
}

function report(verification: AuditVerification): void {
  const { isComplete, findings, from, to, organizationId, erased, droppedTo } = verification;
  for (const { kind, message } of findings) print(`${kind}: ${message}`);
  if (isComplete) {
    const without = erased === 0 ? "" : `, ${erased} of them without personal data that was erased`;
    const events = `The audit log of ${organizationId}`;
    print(`${events} is complete and unchanged from ${from} to ${to}${without}.`);
    if (droppedTo > 0) print(`Bodies dropped up to ${droppedTo} by retention.`);
  }
  process.exitCode = isComplete ? 0 : 1;
}

/** What a file says may be quoted, and must not give orders to a terminal. */
function print(line: string): void {
  process.stdout.write(`${line.replaceAll(/\p{Cc}/gu, "\ufffd")}\n`);
}
