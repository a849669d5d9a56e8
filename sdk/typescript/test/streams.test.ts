import { Code, type ConnectError, createRouterTransport } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  AuditService,
  type TailAuditEventsRequest,
} from "../../../gen/pdaas/v1/audit_service_pb.ts";
import { anonymous, Caller, type Credentials } from "../src/caller.ts";
import { refusal, unavailable } from "./support/refusal.ts";

const { tailAuditEvents, exportAuditEvents } = AuditService.method;
const silenceMs = 45_000;

/** What an attempt gives: some numbers, and then an end, an error or silence. */
interface Attempt {
  sequences: number[];
  ending?: ConnectError | "silence" | undefined;
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A caller of a service that does this, attempt by attempt. */
function callerOf(attempts: Attempt[], credentials: Credentials = anonymous) {
  const requests: TailAuditEventsRequest[] = [];
  const aborted: boolean[] = [];
  async function* serve(signal: AbortSignal) {
    const { sequences, ending } = attempts.shift() ?? { sequences: [] };
    yield* sequences;
    if (ending === "silence") {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      aborted.push(true);
    } else if (ending !== undefined) throw ending;
  }
  const transport = createRouterTransport(({ service }) => {
    service(AuditService, {
      async *tailAuditEvents(request, { signal }) {
        requests.push(request);
        for await (const sequence of serve(signal)) yield { sequence: BigInt(sequence) };
      },
      async *exportAuditEvents(_, { signal }) {
        for await (const byte of serve(signal)) yield { chunk: Uint8Array.of(byte) };
      },
    });
  });
  const caller = new Caller({
    transport,
    credentials,
    headers: {},
    timeoutMs: 30_000,
    maxRetries: 2,
  });
  return { caller, requests, aborted };
}

/** Reads so many numbers of a stream that goes on after the last one. */
async function follow(caller: Caller, count: number, signal?: AbortSignal): Promise<number[]> {
  const got: number[] = [];
  let position = 0n;
  const nextRequest = () => ({ afterSequence: position });
  for await (const { sequence } of caller.follow(tailAuditEvents, nextRequest, signal)) {
    position = sequence;
    if (got.push(Number(sequence)) === count) break;
  }
  return got;
}

async function read(caller: Caller, signal?: AbortSignal): Promise<number[]> {
  const got: number[] = [];
  const messages = caller.stream(exportAuditEvents, {}, signal);
  for await (const { chunk } of messages) got.push(...chunk);
  return got;
}

/** Lets time pass until the work is done, or there is nothing more to wait for. */
async function inTime<T>(work: Promise<T>, ms = 600_000): Promise<T> {
  work.catch(() => {});
  await vi.advanceTimersByTimeAsync(ms);
  return work;
}

test("a followed stream goes on after the last message, however it has ended", async () => {
  const attempts: Attempt[] = [
    { sequences: [1, 2] },
    { sequences: [3], ending: unavailable() },
    { sequences: [], ending: unavailable() },
    { sequences: [4], ending: "silence" },
    { sequences: [5] },
  ];
  const { caller, requests, aborted } = callerOf(attempts);
  expect(await inTime(follow(caller, 5))).toEqual([1, 2, 3, 4, 5]);
  expect(requests.map(({ afterSequence }) => Number(afterSequence))).toEqual([0, 2, 3, 3, 4]);
  expect(aborted).toEqual([true]);
});

test("it outlasts more failures than a call may have", async () => {
  const failures = Array.from({ length: 30 }, () => ({ sequences: [], ending: unavailable() }));
  const { caller } = callerOf([...failures, { sequences: [1] }]);
  expect(await inTime(follow(caller, 1))).toEqual([1]);
});

test("it ends with a refusal that no other attempt mends", async () => {
  const ending = refusal(Code.PermissionDenied, "PERMISSION_MISSING");
  const { caller } = callerOf([{ sequences: [1], ending }]);
  await expect(inTime(follow(caller, 2))).rejects.toMatchObject({ reason: "PERMISSION_MISSING" });
});

test("credentials are mended once, and again after a message", async () => {
  const recover = vi.fn(async () => true);
  const ending = refusal(Code.Unauthenticated, "SESSION_ENDED");
  const mended = callerOf(
    [{ sequences: [1], ending }, { sequences: [2], ending }, { sequences: [3] }],
    {
      headers: async () => ({}),
      recover,
    },
  );
  expect(await inTime(follow(mended.caller, 3))).toEqual([1, 2, 3]);
  expect(recover).toHaveBeenCalledTimes(2);
  const never = callerOf(
    [
      { sequences: [], ending },
      { sequences: [], ending },
    ],
    {
      headers: async () => ({}),
      recover,
    },
  );
  await expect(inTime(follow(never.caller, 1))).rejects.toMatchObject({ reason: "SESSION_ENDED" });
});

test("the time that a reader takes is no silence", async () => {
  const { caller, aborted } = callerOf([{ sequences: [1, 2, 3] }]);
  const got: bigint[] = [];
  const slow = async () => {
    for await (const { sequence } of caller.follow(tailAuditEvents, () => ({}), undefined)) {
      await new Promise((resolve) => setTimeout(resolve, silenceMs * 2));
      if (got.push(sequence) === 3) return;
    }
  };
  await inTime(slow());
  expect(got).toEqual([1n, 2n, 3n]);
  expect(aborted).toEqual([]);
});

test.each(["before it", "in silence"])("an abort ends a stream at once: %s", async (when) => {
  const stop = new AbortController();
  const { caller, aborted } = callerOf([{ sequences: [1], ending: "silence" }]);
  if (when === "before it") stop.abort();
  else setTimeout(() => stop.abort(), 1_000);
  await expect(inTime(follow(caller, 2, stop.signal), 1_001)).rejects.toMatchObject({
    code: "cancelled",
  });
  expect(aborted).toHaveLength(when === "before it" ? 0 : 1);
});

test("a stream with an end is opened again only before its first message", async () => {
  const late = callerOf([{ sequences: [], ending: unavailable() }, { sequences: [1, 2] }]);
  expect(await inTime(read(late.caller))).toEqual([1, 2]);
  const torn = callerOf([{ sequences: [1], ending: unavailable() }, { sequences: [1, 2] }]);
  await expect(inTime(read(torn.caller))).rejects.toMatchObject({ code: "unavailable" });
  const ending = unavailable();
  const down = callerOf(Array.from({ length: 5 }, () => ({ sequences: [], ending })));
  await expect(inTime(read(down.caller))).rejects.toMatchObject({ code: "unavailable" });
});

test("a stream that has gone silent in its middle fails", async () => {
  const { caller } = callerOf([{ sequences: [1], ending: "silence" }]);
  await expect(inTime(read(caller))).rejects.toThrow("gone silent");
});
