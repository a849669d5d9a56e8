#!/usr/bin/env node
import { Command } from "commander";
import { version } from "../version.ts";
import { verifyCommand } from "./verify-audit-export.ts";

const program = new Command("pdaas")
  .description("What goes with the PDaaS service accounts API.")
  .version(version)
  // 1 says that something was found: what could not be done at all is told apart.
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
program
  .command("audit")
  .description("What goes with the audit log.")
  .addCommand(verifyCommand().copyInheritedSettings(program));

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 2;
}
