// What the service costs, as one JSON object:
//
//   npm run -s bench -- --json
//
// - floor, grpc, http, stored: CPU and rate of signed reads on each server, beside a bare grpc-js echo;
// - scale: CPU of a call with a million keys to that with a hundred, and the memory of a cached key in
//   the service and of a nonce in Redis, in bytes;
// - access: what a decision costs, of a principal with 20 policies;
// - audit: events that are sequenced per second, how far the log is behind at 5,000 a second beside a load
//   of reads, and the time of a change with the log to that without.
//
// Servers and load generator are processes of their own, pinned apart where the system allows it.
// The machine may be noisy, so what is compared is measured in turn, many times over, and medians
// count: of the figures, and of the ratios within the same round. Postgres and Redis are real.

import { parseArgs } from "node:util";
import { measureAccess } from "./access.ts";
import { measureAudit } from "./audit.ts";
import { measureCalls } from "./calls.ts";
import { measureNonces } from "./nonces.ts";
import { measureScale } from "./scale.ts";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    rounds: { type: "string", default: "25" },
    seconds: { type: "string", default: "0.6" },
  },
});

const calls = await measureCalls(Number(options.rounds), Number(options.seconds) * 1_000);
const scale = await measureScale(Math.ceil(Number(options.rounds) / 2));
const access = await measureAccess();
const audit = await measureAudit(Math.ceil(Number(options.rounds) / 2));
const nonce_bytes = await measureNonces();
print({ ...calls, audit, scale: { ...scale, nonce_bytes }, access: { ...access } });

function print(result: Record<string, object>): void {
  if (options.json) {
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return;
  }
  for (const [name, figures] of Object.entries(result)) {
    process.stdout.write(`${name.padEnd(8)}${JSON.stringify(figures)}\n`);
  }
}
