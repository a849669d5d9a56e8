import { setTimeout as pause } from "node:timers/promises";
import { Client, type PdaasError } from "pdaas";
import { afterAll, beforeAll, expect, test } from "vitest";
import { refusalOf } from "../harness/clients.ts";
import { TestService } from "../harness/service.ts";

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});
afterAll(() => service[Symbol.asyncDispose]());

const callsPerSecond = 50;
const seconds = 30;
const rotateAfterMs = 8_000;
const quietPeriodSeconds = 4;

/** Calls at a steady rate, however long each call takes, and tells what became of them. */
class Load {
  readonly refusals: PdaasError[] = [];
  readonly #call: (index: number) => Promise<unknown>;
  readonly #calls: Promise<void>[] = [];

  constructor(call: (index: number) => Promise<unknown>) {
    this.#call = call;
  }

  get begun(): number {
    return this.#calls.length;
  }

  /** Runs for as long as it shall, and on until `work` is done. */
  async during(work: Promise<unknown>): Promise<void> {
    let working = true;
    const done = () => {
      working = false;
    };
    work.then(done, done);
    const begin = performance.now();
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        const elapsedSeconds = (performance.now() - begin) / 1_000;
        // What a late timer has missed is made up for.
        while (this.begun < elapsedSeconds * callsPerSecond) this.#begin();
        if (working || elapsedSeconds < seconds) return;
        clearInterval(timer);
        resolve();
      }, 1_000 / callsPerSecond);
    });
    await this.settled();
  }

  /** Waits for all calls that have begun. */
  async settled(): Promise<void> {
    await Promise.all(this.#calls);
  }

  #begin(): void {
    const call = this.#call(this.begun).then(
      () => {},
      (error) => void this.refusals.push(error),
    );
    this.#calls.push(call);
  }
}

test("a rotation under load: no call is refused, from the old key's first to the new key's last", async () => {
  const old = await service.issueKey();
  const { apiKeyId, accessKey, secretKey } = old;
  const replica = await service.replica();
  // Without retries, which would hide a refusal. One over each protocol, one to each replica.
  const common = { accessKey, secretKey, maxRetries: 0 };
  const programs = [
    new Client({ baseUrl: service.httpUrl, ...common }),
    new Client({ baseUrl: `http://${replica.grpcAddress}`, transport: "grpc", ...common }),
  ];
  const signedBy = new Map<string, number>();
  const load = new Load(async (index) => {
    const program = programs[index % programs.length] as Client;
    const { apiKeyId: signer } = await program.whoAmI();
    signedBy.set(signer, (signedBy.get(signer) ?? 0) + 1);
  });

  const { apiKeys } = service.admin;
  const rotation = async () => {
    await pause(rotateAfterMs);
    const { key } = await apiKeys.rotate({ apiKeyId });
    for (const program of programs) {
      program.useKey(key);
      await pause(1_000);
    }
    await load.settled();
    for (;;) {
      const { lastUse } = await apiKeys.get({ apiKeyId });
      if (lastUse && Date.now() - lastUse.time.getTime() > quietPeriodSeconds * 1_000) break;
      await pause(200);
    }
    const retired = await apiKeys.retire({ apiKeyId, quietPeriodSeconds });
    const begunBefore = load.begun;
    await expect.poll(() => load.begun - begunBefore, { timeout: 30_000 }).toBeGreaterThan(100);
    return { key, retired };
  };
  const rotating = rotation();
  await load.during(rotating);
  const { key, retired } = await rotating;

  expect(load.refusals).toEqual([]);
  expect(load.begun).toBeGreaterThanOrEqual(callsPerSecond * seconds - 50);
  expect([...signedBy.keys()].sort()).toEqual([apiKeyId, key.id].sort());
  const [byOld = 0, byNew = 0] = [signedBy.get(apiKeyId), signedBy.get(key.id)];
  expect(byOld + byNew).toBe(load.begun);
  expect(byOld).toBeGreaterThan(300);
  expect(byNew).toBeGreaterThan(300);

  expect(retired).toMatchObject({ state: "expired", successorId: key.id });
  expect(await service.recorded("principal_id = $1", [old.serviceAccountId])).toEqual([]);
  const late = new Client({ baseUrl: service.httpUrl, accessKey, secretKey });
  expect(await refusalOf(late.whoAmI())).toMatchObject({ reason: "SIGNATURE_INVALID" });
  await Promise.all(programs.map((program) => program.close()));
}, 180_000);
