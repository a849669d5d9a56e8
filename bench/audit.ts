// What the audit log takes: how fast it is written and how far behind it is, beside a load of signed reads
// and on the same processors, and what it adds to a change.

import { create, toBinary } from "@bufbuild/protobuf";
import { CreateServiceAccountRequestSchema } from "../gen/pdaas/v1/service_account_service_pb.ts";
import { startEnvironment } from "./environment.ts";
import {
  common,
  gRPC,
  type Measurement,
  measure,
  median,
  readPath,
  rounded,
  type Subject,
  startLoader,
} from "./measure.ts";
import { BenchProcess } from "./process.ts";
import type { Ready } from "./service.ts";

const loadMs = 10_000;
/** A change takes milliseconds: there must be enough of them to tell. */
const changeMs = 2_000;

export async function measureAudit(rounds: number) {
  await using stack = new AsyncDisposableStack();
  const environment = await startEnvironment(stack);
  const { process: server, ready } = await BenchProcess.start<Ready>(
    stack,
    "audit-server.ts",
    0,
    environment,
  );
  const { grpc, keyFile } = ready;
  const writer = (await BenchProcess.start<true>(stack, "audit-writer.ts", 1, environment)).process;
  const loader = await startLoader(stack);
  const signed = { ...common, ...gRPC, origin: grpc, keyFile };
  const reads = { ...signed, path: readPath, body: "", concurrency: 4 };
  const beside = async <T>(ask: () => Promise<T>): Promise<T> => {
    const [figure] = await Promise.all([
      ask(),
      loader.ask("done", { load: { ...reads, milliseconds: loadMs } }),
    ]);
    return figure;
  };
  const lag = await beside(() => writer.ask("lag"));
  const drained = await beside(() => writer.ask("drained"));
  const path = "/pdaas.v1.ServiceAccountService/CreateServiceAccount";
  const load = { ...signed, path, body: changeBody(), concurrency: 2 };
  const changes = { name: "changes", counter: "grpc", server, load } as const;
  return {
    events_per_s: rounded(drained, 0),
    lag_ms_p99: rounded(lag.p99, 0),
    lag_at_events_per_s: rounded(lag.writtenPerSecond, 0),
    mutation_overhead: await measureOverhead(changes, loader, rounds),
  };
}

/** Of the time that a change takes with the log to what it takes without, in each round. */
async function measureOverhead(
  changes: Subject,
  loader: BenchProcess,
  rounds: number,
): Promise<number> {
  const ratios: number[] = [];
  await measure(changes, loader, 2_000);
  for (let round = 0; round < rounds; round++) {
    const measured: Record<string, Measurement> = {};
    for (const kind of ["unrecorded", "recorded"] as const) {
      await changes.server.ask(kind);
      measured[kind] = await measure(changes, loader, changeMs);
    }
    ratios.push((measured.unrecorded?.rps ?? 0) / (measured.recorded?.rps ?? 0));
  }
  return rounded(median(ratios), 3);
}

function changeBody(): string {
  const request = create(CreateServiceAccountRequestSchema, { accountId: "acc-123", name: "Made" });
  return Buffer.from(toBinary(CreateServiceAccountRequestSchema, request)).toString("base64");
}
