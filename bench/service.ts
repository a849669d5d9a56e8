import { join } from "node:path";
import type { SigningKey } from "pdaas";
import { pino } from "pino";
import { readConfig } from "../src/config.ts";
import { type FirstRun, firstRun } from "../src/first-run.ts";
import type { App } from "../src/rpc/app.ts";
import { startService } from "../src/service.ts";
import { writeKeys } from "./key-file.ts";
import { type Answers, answer, type Messages } from "./process.ts";

/** What a service tells of itself when it is ready. */
export interface Ready {
  http: string;
  grpc: string;
  /** Keys that may read; see key-file.ts. */
  keyFile: string;
}

/** Starts the service as it is, in this process. @param makeKeys fills its empty database */
export async function serve(
  makeKeys: (app: App, first: FirstRun) => Promise<SigningKey[]>,
  answers: (app: App) => Answers = () => ({}),
): Promise<void> {
  const config = readConfig();
  const keyFile = join(config.dataDir, "keys");
  const service = await startService(config, pino({ level: config.logLevel }), fail, async (app) =>
    writeKeys(keyFile, await makeKeys(app, await firstRunOf(app))),
  );
  process.on("SIGTERM", () => service.close().then(() => process.exit(0)));
  const carriedOut = () => countCalls(service.httpUrl);
  const ready: Ready = { http: service.httpUrl, grpc: `http://${service.grpcAddress}`, keyFile };
  answer(ready, { carriedOut, ...answers(service.app) });

  async function firstRunOf(app: App): Promise<FirstRun> {
    const first = await firstRun(config, app);
    return first ?? fail("the database is not empty");
  }
}

function fail(reason: string): never {
  throw new Error(reason);
}

/** From the service's own metrics. */
async function countCalls(httpUrl: string): Promise<Messages["carriedOut"]> {
  const metrics = await (await fetch(`${httpUrl}/metrics`)).text();
  const counts: Record<string, number> = { grpc: 0, http: 0 };
  const line = /^pdaas_calls_total\{rpc="\w+",server="(\w+)",reason="OK"\} (\d+)$/gm;
  for (const [, server, count] of metrics.matchAll(line)) {
    counts[server as string] = (counts[server as string] ?? 0) + Number(count);
  }
  return counts;
}
