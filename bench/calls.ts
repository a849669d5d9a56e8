// Signed reads on each server, beside a bare grpc-js echo.

import { create, toBinary } from "@bufbuild/protobuf";
import {
  GetOrganizationResponseSchema,
  OrganizationSchema,
} from "../gen/pdaas/v1/organization_service_pb.ts";
import { startEnvironment } from "./environment.ts";
import {
  common,
  gRPC,
  type Measurement,
  measure,
  median,
  medianRatio,
  readPath,
  rounded,
  type Subject,
  startLoader,
} from "./measure.ts";
import { BenchProcess } from "./process.ts";
import type { Ready } from "./service.ts";

export async function measureCalls(rounds: number, milliseconds: number) {
  await using stack = new AsyncDisposableStack();
  const subjects = await startSubjects(stack);
  const loader = await startLoader(stack);
  const measurements = new Map<string, Measurement[]>(subjects.map(({ name }) => [name, []]));
  for (const subject of subjects) await measure(subject, loader, 2_000);
  for (let round = 0; round < rounds; round++) {
    for (const subject of subjects) {
      const measurement = await measure(subject, loader, milliseconds);
      measurements.get(subject.name)?.push(measurement);
    }
  }
  return report((name) => measurements.get(name) ?? []);
}

async function startSubjects(stack: AsyncDisposableStack): Promise<Subject[]> {
  const floor = await BenchProcess.start<{ origin: string }>(stack, "floor-server.ts", 0);
  const environment = await startEnvironment(stack);
  const service = await BenchProcess.start<Ready>(stack, "service-server.ts", 0, environment);
  const { http, grpc, keyFile } = service.ready;
  const server = service.process;
  const signed = { ...common, keyFile, body: "" };
  const stored = "/pdaas.v1.ServiceAccountService/ListServiceAccounts";
  const echo = { path: "/bench.Echo/Echo", body: answerOfRead(), origin: floor.ready.origin };
  return [
    {
      name: "floor",
      counter: "floor",
      server: floor.process,
      load: { ...common, ...gRPC, ...echo },
    },
    {
      name: "grpc",
      counter: "grpc",
      server,
      load: { ...signed, ...gRPC, origin: grpc, path: readPath },
    },
    {
      name: "http",
      counter: "http",
      server,
      load: { ...signed, contentType: "application/proto", origin: http, path: readPath },
    },
    {
      name: "stored",
      counter: "grpc",
      server,
      load: { ...signed, ...gRPC, origin: grpc, path: stored },
    },
  ];
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

function report(of: (name: string) => Measurement[]) {
  const row = (name: string) => ({
    cpu_us: rounded(median(of(name).map((m) => m.cpuUs)), 1),
    rps: rounded(median(of(name).map((m) => m.rps)), 0),
    ratio: medianRatio(of(name), of("floor")),
  });
  const { cpu_us, rps } = row("floor");
  return { floor: { cpu_us, rps }, grpc: row("grpc"), http: row("http"), stored: row("stored") };
}
