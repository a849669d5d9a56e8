import type { Load } from "./load.ts";
import { BenchProcess } from "./process.ts";

/** What is measured: a server, and calls of one kind to it. */
export interface Subject {
  name: string;
  server: BenchProcess;
  /** Under which the server counts these calls. */
  counter: "floor" | "grpc" | "http";
  load: Omit<Load, "milliseconds">;
  /** Waits for the work that calls leave behind, of which there were so many since the server's start. */
  settle?: (calls: number) => Promise<void>;
}

export interface Measurement {
  /** CPU microseconds of the server's process per call. */
  cpuUs: number;
  /** Calls per second. */
  rps: number;
}

/** Calls at once in all measurements, and over how many connections. */
export const common = { connections: 4, concurrency: 32 };
export const gRPC = { contentType: "application/grpc" } as const;
/** A read that asks no database, once the caller's credential is cached. */
export const readPath = "/pdaas.v1.OrganizationService/GetOrganization";

export async function startLoader(stack: AsyncDisposableStack): Promise<BenchProcess> {
  return (await BenchProcess.start<true>(stack, "load.ts", 1)).process;
}

/** @throws Error when a call was refused */
export async function measure(
  { name, server, counter, load, settle }: Subject,
  loader: BenchProcess,
  milliseconds: number,
): Promise<Measurement> {
  const carriedOut = async () => (await server.ask("carriedOut"))[counter] ?? 0;
  const carriedOutBefore = await carriedOut();
  const began = performance.now();
  const cpuBefore = await server.ask("cpu");
  const done = await loader.ask("done", { load: { ...load, milliseconds } });
  const rps = done / ((performance.now() - began) / 1_000);
  await settle?.(carriedOutBefore + done);
  const cpu = (await server.ask("cpu")) - cpuBefore;
  if ((await carriedOut()) - carriedOutBefore !== done) {
    throw new Error(`${name}: some calls were refused, so the figures mean nothing`);
  }
  return { cpuUs: cpu / done, rps };
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] as number;
}

/** Of the CPU of two subjects, in each round. */
export function medianRatio(of: readonly Measurement[], to: readonly Measurement[]): number {
  return rounded(median(of.map(({ cpuUs }, i) => cpuUs / (to[i]?.cpuUs ?? 0))), 3);
}

export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
