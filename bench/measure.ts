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
  subject: Subject,
  loader: BenchProcess,
  milliseconds: number,
): Promise<Measurement> {
  const [measurement] = await measureByTurns([subject], loader, milliseconds, 1);
  return measurement as Measurement;
}

/**
 * Measures subjects in slices, each in its turn.
 * @param milliseconds of a slice
 * @param slices of each subject
 * @throws Error when a call was refused
 */
export async function measureByTurns(
  subjects: readonly Subject[],
  loader: BenchProcess,
  milliseconds: number,
  slices: number,
): Promise<Measurement[]> {
  const measured = await Promise.all(subjects.map(begin));
  for (let slice = 0; slice < slices; slice++) {
    for (const each of measured) {
      const began = performance.now();
      each.done += await loader.ask("done", { load: { ...each.subject.load, milliseconds } });
      each.seconds += (performance.now() - began) / 1_000;
    }
  }
  const results: Measurement[] = [];
  for (const each of measured) results.push(await end(each));
  return results;
}

/** What is known of a subject while it is measured, and was when that began. */
interface Measured {
  subject: Subject;
  carriedOutBefore: number;
  cpuBefore: number;
  done: number;
  seconds: number;
}

async function begin(subject: Subject): Promise<Measured> {
  const carriedOutBefore = await carriedOut(subject);
  return {
    subject,
    carriedOutBefore,
    cpuBefore: await subject.server.ask("cpu"),
    done: 0,
    seconds: 0,
  };
}

async function end(measured: Measured): Promise<Measurement> {
  const { subject, carriedOutBefore, cpuBefore, done, seconds } = measured;
  await subject.settle?.(carriedOutBefore + done);
  const cpu = (await subject.server.ask("cpu")) - cpuBefore;
  if ((await carriedOut(subject)) - carriedOutBefore !== done) {
    throw new Error(`${subject.name}: some calls were refused, so the figures mean nothing`);
  }
  return { cpuUs: cpu / done, rps: done / seconds };
}

async function carriedOut({ server, counter }: Subject): Promise<number> {
  return (await server.ask("carriedOut"))[counter] ?? 0;
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
