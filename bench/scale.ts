// What a million keys cost beside a hundred: CPU per call, and memory per key in the cache.

import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { startEnvironment } from "./environment.ts";
import {
  common,
  gRPC,
  type Measurement,
  measure,
  measureByTurns,
  medianRatio,
  readPath,
  rounded,
  type Subject,
  startLoader,
} from "./measure.ts";
import { BenchProcess } from "./process.ts";
import type { Ready } from "./service.ts";

const cachedKeys = 100_000;
/** Of each service account's 10 keys one is in use: 1,000,000 keys in all. */
const many = { usable: cachedKeys, others: 9 };
const few = { usable: 100, others: 0 };
/** As long as uses of keys are gathered before they are written. */
const turnMs = 2_000;
/** What else the machine does changes all the time: so finely interleaved, it meets both alike. */
const slices = 10;

export async function measureScale(rounds: number) {
  await using stack = new AsyncDisposableStack();
  const manyKeys = await start(stack, "many", many);
  const fewKeys = await start(stack, "few", few);
  const bytes = await manyKeys.server.ask("cached");
  await fewKeys.server.ask("cached");
  const loader = await startLoader(stack);
  for (const subject of [manyKeys, fewKeys]) {
    await measure(subject, loader, turnMs);
    await subject.server.ask("kept");
  }
  const measurements = { many: [] as Measurement[], few: [] as Measurement[] };
  for (let round = 0; round < rounds; round++) {
    const [ofMany, ofFew] = await measureByTurns(
      [manyKeys, fewKeys],
      loader,
      turnMs / slices,
      slices,
    );
    measurements.many.push(ofMany as Measurement);
    measurements.few.push(ofFew as Measurement);
  }
  await ensureKept(manyKeys, many.usable);
  await ensureKept(fewKeys, few.usable);
  return {
    cpu_ratio_1m_to_100: medianRatio(measurements.many, measurements.few),
    cached_key_bytes: rounded(bytes, 0),
  };
}

async function start(
  stack: AsyncDisposableStack,
  name: string,
  counts: { usable: number; others: number },
): Promise<Subject> {
  const environment = await startEnvironment(stack, {
    postgresSettings: {
      fsync: "off",
      full_page_writes: "off",
      max_wal_size: "8GB",
      // Its work would fall into some rounds and not into others.
      autovacuum: "off",
    },
    // Beside the load generator: a machine that serves 100,000 keys has its database on another.
    processor: 1,
  });
  const { process, ready } = await BenchProcess.start<Ready>(stack, "scale-server.ts", 0, {
    ...environment,
    NODE_OPTIONS: "--expose-gc",
    BENCH_USABLE: String(counts.usable),
    BENCH_OTHERS: String(counts.others),
    BENCH_KEY_LINES: String(cachedKeys),
  });
  const { grpc, keyFile } = ready;
  const load = { ...common, ...gRPC, origin: grpc, path: readPath, body: "", keyFile };
  const settle = await usesWritten(stack, environment.PDAAS_DATABASE_URL);
  return { name, counter: "grpc", server: process, load, settle };
}

/** Waits until as many uses of keys are written as there were calls: a call's cost is not over before. */
async function usesWritten(stack: AsyncDisposableStack, connectionString: string | undefined) {
  const client = new pg.Client({ connectionString });
  await client.connect();
  stack.defer(() => client.end());
  const count = "select coalesce(sum(calls), 0) as calls from api_key_daily_uses";
  return async (calls: number) => {
    const giveUpAt = performance.now() + 60_000;
    while (Number((await client.query(count)).rows[0].calls) < calls) {
      if (performance.now() > giveUpAt)
        throw new Error("calls were refused, or uses of keys not written");
      await delay(100);
    }
  };
}

/** No query was made for a credential in the rounds, or it would have replaced one. */
async function ensureKept({ name, server }: Subject, usable: number): Promise<void> {
  const kept = await server.ask("kept");
  if (kept === usable) return;
  throw new Error(`${name}: of ${usable} credentials only ${kept} stayed in the cache`);
}
