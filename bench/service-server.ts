// The service as it is, in a process that tells its CPU time.

import { pino } from "pino";
import { readConfig } from "../src/config.ts";
import { createDemo } from "../src/embedded/demo.ts";
import { firstRun } from "../src/first-run.ts";
import { startService } from "../src/service.ts";
import { answer } from "./process.ts";

const config = readConfig();
let key: { accessKey: string; secretKey: string } | undefined;
const service = await startService(
  config,
  pino({ level: config.logLevel }),
  (reason) => {
    throw new Error(reason);
  },
  async (app) => {
    const first = await firstRun(config, app);
    if (first !== undefined) key = await createDemo(app, first.administrator, first.accountId);
  },
);
answer(carriedOut);
process.on("SIGTERM", () => service.close().then(() => process.exit(0)));
process.send?.({
  ready: { http: service.httpUrl, grpc: `http://${service.grpcAddress}`, ...key },
});

/** From the service's own metrics. */
async function carriedOut(): Promise<Record<string, number>> {
  const metrics = await (await fetch(`${service.httpUrl}/metrics`)).text();
  const counts: Record<string, number> = { grpc: 0, http: 0 };
  const line = /^pdaas_calls_total\{rpc="\w+",server="(\w+)",reason="OK"\} (\d+)$/gm;
  for (const [, server, count] of metrics.matchAll(line)) {
    counts[server as string] = (counts[server as string] ?? 0) + Number(count);
  }
  return counts;
}
