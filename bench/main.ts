// CPU and rate of signed reads on each server, beside a bare grpc-js echo:
//
//   npm run -s bench -- --json
//
// Servers and load generator are processes of their own, pinned apart where the system allows it.
// The machine may be noisy, so what is compared is measured in turn, many times over, and medians
// count: of the figures, and of the ratios to the floor of the same round. Postgres and Redis are real.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  GetOrganizationResponseSchema,
  OrganizationSchema,
} from "../gen/pdaas/v1/organization_service_pb.ts";
import { startEmbeddedPostgres } from "../src/embedded/postgres.ts";
import { startRedisServer } from "../test/harness/redis-server.ts";
import type { Load } from "./load.ts";
import { BenchProcess } from "./process.ts";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    rounds: { type: "string", default: "25" },
    seconds: { type: "string", default: "0.6" },
  },
});

interface Subject {
  name: "floor" | "grpc" | "http" | "stored";
  server: BenchProcess;
  load: Omit<Load, "milliseconds">;
}

interface Measurement {
  cpuUs: number;
  rps: number;
}

await using cleanup = new AsyncDisposableStack();
const subjects = await startSubjects();
const loader = await started<true>("load.ts", 1);
const measurements = new Map<string, Measurement[]>(subjects.map(({ name }) => [name, []]));
for (const subject of subjects) await measure(subject, 2_000);
for (let round = 0; round < Number(options.rounds); round++) {
  for (const subject of subjects) {
    const measurement = await measure(subject, Number(options.seconds) * 1_000);
    measurements.get(subject.name)?.push(measurement);
  }
}
print(report());

async function startSubjects(): Promise<Subject[]> {
  const floor = await started<{ origin: string }>("floor-server.ts", 0);
  const service = await started<Record<"http" | "grpc" | "accessKey" | "secretKey", string>>(
    "service-server.ts",
    0,
    await serviceEnvironment(),
  );
  const { http, grpc, accessKey, secretKey } = service.ready;
  const common = { connections: 4, concurrency: 32 };
  const signed = { ...common, accessKey, secretKey, body: "" };
  const read = "/pdaas.v1.OrganizationService/GetOrganization";
  const stored = "/pdaas.v1.ServiceAccountService/ListServiceAccounts";
  const gRPC = { contentType: "application/grpc" } as const;
  return [
    {
      name: "floor",
      server: floor.process,
      load: {
        ...common,
        ...gRPC,
        origin: floor.ready.origin,
        path: "/bench.Echo/Echo",
        body: answerOfRead(),
      },
    },
    {
      name: "grpc",
      server: service.process,
      load: { ...signed, ...gRPC, origin: grpc, path: read },
    },
    {
      name: "http",
      server: service.process,
      load: { ...signed, contentType: "application/proto", origin: http, path: read },
    },
    {
      name: "stored",
      server: service.process,
      load: { ...signed, ...gRPC, origin: grpc, path: stored },
    },
  ];
}

async function serviceEnvironment(): Promise<Record<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), "pdaas-bench-"));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  const postgres = await startEmbeddedPostgres({ dataDir: join(folder, "postgres") });
  cleanup.defer(() => postgres.stop());
  const redis = await startRedisServer();
  cleanup.defer(() => redis.stop());
  const { host, user, database } = postgres.poolConfig;
  return {
    PDAAS_DATA_DIR: folder,
    PDAAS_DATABASE_URL: `postgres://${user}@localhost/${database}?host=${encodeURIComponent(host ?? "")}`,
    PDAAS_REDIS_URL: redis.url,
    PDAAS_GRPC_LISTEN: "127.0.0.1:0",
    PDAAS_HTTP_LISTEN: "127.0.0.1:0",
    PDAAS_LOG_LEVEL: "warn",
  };
}

async function started<Ready>(
  file: string,
  processor: number,
  environment: Record<string, string> = {},
): Promise<{ process: BenchProcess; ready: Ready }> {
  const result = await BenchProcess.start<Ready>(file, processor, environment);
  cleanup.defer(() => result.process.stop());
  return result;
}

/** The echo's message is as large as the read's answer, which is the larger of its two messages. */
function answerOfRead(): string {
  const organization = create(OrganizationSchema, {
    id: "org_01m83v6b6be4c9r7ps5bhrbsjs",
    slug: "myorg",
    name: "myorg",
    createTime: { seconds: 1_700_000_000n, nanos: 1_000_000 },
  });
  const answer = create(GetOrganizationResponseSchema, { organization });
  return Buffer.from(toBinary(GetOrganizationResponseSchema, answer)).toString("base64");
}

async function measure(subject: Subject, milliseconds: number): Promise<Measurement> {
  const { server, load } = subject;
  const carriedOutBefore = await carriedOut(subject);
  const began = performance.now();
  const cpuBefore = await server.ask("cpu");
  const done = await loader.process.ask("done", { load: { ...load, milliseconds } });
  const cpu = (await server.ask("cpu")) - cpuBefore;
  if ((await carriedOut(subject)) - carriedOutBefore !== done) {
    throw new Error(`${subject.name}: some calls were refused, so the figures mean nothing`);
  }
  return { cpuUs: cpu / done, rps: done / ((performance.now() - began) / 1_000) };
}

/** How many calls the subject has carried out, by its own count. */
async function carriedOut({ server, name }: Subject): Promise<number> {
  const counts = await server.ask("carriedOut");
  return counts[name === "stored" ? "grpc" : name] ?? 0;
}

function report() {
  const of = (name: string) => measurements.get(name) ?? [];
  const row = (name: string) => ({
    cpu_us: rounded(median(of(name).map((m) => m.cpuUs)), 1),
    rps: rounded(median(of(name).map((m) => m.rps)), 0),
    ratio: rounded(median(of(name).map((m, i) => m.cpuUs / (of("floor")[i]?.cpuUs ?? 0))), 3),
  });
  const { cpu_us, rps } = row("floor");
  return { floor: { cpu_us, rps }, grpc: row("grpc"), http: row("http"), stored: row("stored") };
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] as number;
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function print(result: ReturnType<typeof report>): void {
  if (options.json) {
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return;
  }
  for (const [name, figures] of Object.entries(result)) {
    process.stdout.write(`${name.padEnd(8)}${JSON.stringify(figures)}\n`);
  }
}
