import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import type { Config } from "./config.ts";
import type { Service } from "./service.ts";

/** What a start prints: where the service is, what it runs on, and what to do next. No secrets. */
export function banner(config: Config, service: Service): string {
  const parts = [
    `PDaaS Service Accounts ${packageJson.version}`,
    [
      "",
      `  HTTP (Connect, gRPC-Web, gRPC)  ${service.httpUrl}`,
      `  gRPC                            ${service.grpcAddress}`,
    ].join("\n"),
    embedded(config),
    tryOut(config),
  ];
  return `\n${parts.filter((part) => part !== "").join("\n")}\n\n`;
}

function embedded(config: Config): string {
  const lines: string[] = [];
  if (config.databaseUrl === undefined) {
    lines.push(
      `  Postgres is embedded, in ${shown(config.dataDir)}: one machine, no replicas, backed up by you.`,
      "    Set PDAAS_DATABASE_URL=postgres://… to use a server.",
    );
  }
  if (config.redisUrl === undefined) {
    lines.push(
      "  Nonces are kept in this process: it must be the only one.",
      "    Set PDAAS_REDIS_URL=redis://… to run several.",
    );
  }
  if (lines.length === 0) return "";
  return [
    "",
    ...lines,
    `  To start over: stop the service and delete ${shown(config.dataDir)}.`,
  ].join("\n");
}

function tryOut(config: Config): string {
  const env = join(config.dataDir, "demo.env");
  if (!existsSync(env)) return "";
  const run = (example: string) => `    npx node --env-file=${shown(env)} examples/${example}`;
  return [
    "",
    "  A demo service account's key is in that folder. Make a signed call with it:",
    run("signed-call.ts"),
    "  See the same signature refused the second time:",
    run("replayed-call.ts"),
  ].join("\n");
}

/** Relative to where the command was given, if that is shorter. */
function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short.length < path.length && !short.startsWith("..") ? short : path;
}
