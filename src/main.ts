import { pino } from "pino";
import { banner } from "./banner.ts";
import { type Config, ConfigError, readConfig } from "./config.ts";
import { createDemo, type Demo, moveDemoEnv, writeDemoEnv } from "./embedded/demo.ts";
import { type FirstRun, firstRun } from "./first-run.ts";
import { type Service, startService } from "./service.ts";

async function main(): Promise<void> {
  const config = readConfig();
  const log = pino({ level: config.logLevel });
  let first: FirstRun | undefined;
  let demo: Demo | undefined;
  const starting = startService(config, log, fail, async (app) => {
    first = await firstRun(config, app);
    // Told before anything else can fail: it is stored nowhere.
    if (first?.password !== undefined) announcePassword(config, first.password);
    if (first !== undefined && config.databaseUrl === undefined) {
      demo = await createDemo(app, first.administrator, first.accountId);
    }
  });
  stopOnSignals(starting);
  const service = await starting;
  if (demo !== undefined) await writeDemoEnv(config.dataDir, service.httpUrl, demo);
  else if (config.databaseUrl === undefined) await moveDemoEnv(config.dataDir, service.httpUrl);
  process.stdout.write(banner(config, service));
}

function announcePassword(config: Config, password: string): void {
  const { organizationSlug, email } = config.first;
  process.stdout.write(
    [
      "",
      "  First start. Your administrator, shown this once:",
      `    organization  ${organizationSlug}`,
      `    email         ${email}`,
      `    password      ${password}`,
      "",
    ].join("\n"),
  );
}

/** A signal that comes early stops the service once it has started. A second one ends the process at once. */
function stopOnSignals(starting: Promise<Service>): void {
  const signals = ["SIGINT", "SIGTERM"] as const;
  const stop = () => {
    for (const signal of signals) process.off(signal, stop);
    starting.then((service) => service.close()).then(() => process.exit(0), fail);
  };
  for (const signal of signals) process.on(signal, stop);
}

function fail(reason: unknown): never {
  const text =
    reason instanceof ConfigError ? `Wrong settings:\n${reason.message}` : explain(reason);
  process.stderr.write(`${text}\n`);
  process.exit(1);
}

function explain(reason: unknown): string {
  if (!(reason instanceof Error)) return String(reason);
  const code = (reason as NodeJS.ErrnoException).code;
  if (code === "EADDRINUSE") {
    return `${reason.message}. Stop what listens there, or set PDAAS_GRPC_LISTEN or PDAAS_HTTP_LISTEN.`;
  }
  return reason.message;
}

main().catch(fail);
