import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { Client, type ClientOptions, type IssuedApiKey, PdaasError } from "pdaas";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { TcpCable } from "./harness/cable.ts";
import { createDatabase } from "./harness/database.ts";
import { addOrganization } from "./harness/organization.ts";
import { ServiceProcess } from "./harness/process.ts";
import { administrator, masterKey } from "./harness/service.ts";

// What is changed on one process counts on another one, both as their users start them.

interface Change {
  /** Whether it is done to all keys of the service account. */
  ofServiceAccount?: true;
  /** What the service account may by itself; all that its key may when absent. */
  permissions?: string[];
  /** What a new key needs for it. */
  prepare?(lane: Lane): Promise<unknown>;
  make(lane: Lane): Promise<unknown>;
  /** What calls with the key are answered from then on. */
  refusal: string;
}

const changes: Record<string, Change> = {
  RevokeApiKey: {
    make: ({ admin, key }) => admin.apiKeys.revoke({ apiKeyId: key.id }),
    refusal: "unauthenticated SIGNATURE_INVALID",
  },
  DisableApiKey: {
    make: ({ admin, key }) => admin.apiKeys.disable({ apiKeyId: key.id }),
    refusal: "unauthenticated SIGNATURE_INVALID",
  },
  DisableServiceAccount: {
    ofServiceAccount: true,
    make: ({ admin, key: { serviceAccountId } }) =>
      admin.serviceAccounts.disable({ serviceAccountId }),
    refusal: "unauthenticated SIGNATURE_INVALID",
  },
  DeleteAllowlistEntry: {
    prepare: async (lane) => {
      await lane.allow("192.0.2.0/24");
      await lane.allow("127.0.0.1/32");
    },
    make: ({ admin, allowlistEntryId }) => admin.allowlists.remove({ allowlistEntryId }),
    refusal: "permission_denied ADDRESS_NOT_ALLOWED",
  },
  UpdateApiKey: {
    make: ({ admin, key }) =>
      admin.apiKeys.update({ apiKeyId: key.id, permissions: ["ServiceAccounts.read"] }),
    refusal: "permission_denied PERMISSION_MISSING",
  },
  RemoveGroupMember: {
    ofServiceAccount: true,
    permissions: [],
    prepare: async (lane) => lane.admin.groups.addMember(await lane.membership()),
    make: async (lane) => lane.admin.groups.removeMember(await lane.membership()),
    refusal: "permission_denied PERMISSION_MISSING",
  },
  DetachPolicy: {
    ofServiceAccount: true,
    permissions: [],
    prepare: async (lane) => lane.admin.policies.attach(await lane.attachment()),
    make: async (lane) => lane.admin.policies.detach(await lane.attachment()),
    refusal: "permission_denied PERMISSION_MISSING",
  },
};

const accountId = "acc-123";
const permissions = ["Accounts.read", "ServiceAccounts.read"];
const laneCount = 10;
/** How often each change is made; 1,000 times takes minutes. */
const roundCount = Number(process.env.PDAAS_TEST_REVOCATIONS ?? 100);
/** Each with a key of its own, of which a service account has at most 100. */
const roundsOfLane = Math.ceil(roundCount / laneCount);

const cleanup = new AsyncDisposableStack();
let cable: TcpCable;
/** Where everything is changed; it reaches Redis by the cable. */
let a: ServiceProcess;
/** Where the keys are used. */
let b: ServiceProcess;
let lanes: Lane[];

beforeAll(async () => {
  const database = await createDatabase();
  cleanup.defer(() => database.drop());
  // A slow one, so that an answer which does not wait for Redis to know is ahead of it.
  cable = await TcpCable.lay(inject("redisUrl"), { delayMs: 10 });
  cleanup.defer(() => cable.remove());
  a = await startProcess(database.url, cable.url);
  b = await startProcess(database.url, inject("redisUrl"));
  const slugs = Array.from({ length: laneCount }, (_, i) => `lane-${i}`);
  const logins = await Promise.all(slugs.map((slug) => addOrganization(database, slug)));
  lanes = await Promise.all(logins.map((login) => Lane.open(login)));
});
afterAll(() => cleanup.disposeAsync());

async function startProcess(databaseUrl: string, redisUrl: string): Promise<ServiceProcess> {
  const dataDir = await mkdtemp(join(tmpdir(), "pdaas-revocation-"));
  cleanup.defer(() => rm(dataDir, { recursive: true, force: true }));
  const started = await ServiceProcess.start({
    PDAAS_DATA_DIR: dataDir,
    PDAAS_DATABASE_URL: databaseUrl,
    PDAAS_REDIS_URL: redisUrl,
    PDAAS_MASTER_KEY: masterKey,
    PDAAS_FIRST_ADMIN_PASSWORD: administrator.password,
  });
  cleanup.defer(async () => void (await started.stop()));
  return started;
}

/** A client without retries, which would hide a refusal. */
function openClient(options: ClientOptions): Client {
  return cleanup.adopt(new Client({ ...options, maxRetries: 0 }), (client) => client.close());
}

/**
 * One key after the other, changed on A and used on B. A lane has an organization of its own: else what
 * A tells Redis of another lane's change could tell B of this lane's too.
 */
class Lane {
  /** A session on A. */
  readonly admin: Client;
  key: IssuedApiKey;
  /** The newest entry of the key's allowlist. */
  allowlistEntryId = "";
  /** A policy that permits what the calls of the test take, and a group that it is attached to. */
  #reading: Promise<{ policyId: string; groupId: string }> | undefined;
  readonly #onA: Client;
  readonly #onB: { grpc: Client; http: Client };

  private constructor(admin: Client, key: IssuedApiKey) {
    const { accessKey, secretKey } = key;
    this.admin = admin;
    this.key = key;
    this.#onA = openClient({ baseUrl: a.httpUrl, accessKey, secretKey });
    this.#onB = {
      grpc: openClient({ baseUrl: b.grpcUrl, transport: "grpc", accessKey, secretKey }),
      http: openClient({ baseUrl: b.httpUrl, transport: "connect", accessKey, secretKey }),
    };
  }

  static async open(login: typeof administrator): Promise<Lane> {
    const admin = openClient({ baseUrl: a.httpUrl, ...login });
    return new Lane(admin, await issueKey(admin, await createServiceAccount(admin)));
  }

  /** Goes on with a key that nobody has used, ready for the change. */
  async renew(change: Change, round: number): Promise<void> {
    const serviceAccountId =
      change.ofServiceAccount || round === 0
        ? await createServiceAccount(this.admin, change.permissions)
        : this.key.serviceAccountId;
    this.key = await issueKey(this.admin, serviceAccountId);
    for (const client of [this.#onA, this.#onB.grpc, this.#onB.http]) client.useKey(this.key);
    await change.prepare?.(this);
  }

  /** That of the key's service account in a group that may read accounts. */
  async membership() {
    const { groupId } = await this.#readers();
    return { groupId, memberId: this.key.serviceAccountId };
  }

  /** That of a policy that permits to read accounts to the key's service account. */
  async attachment() {
    const { policyId } = await this.#readers();
    return { policyId, targetId: this.key.serviceAccountId };
  }

  #readers() {
    this.#reading ??= makeReaders(this.admin);
    return this.#reading;
  }

  async allow(cidr: string): Promise<void> {
    const entry = await this.admin.allowlists.add({ resourceId: this.key.id, cidr });
    this.allowlistEntryId = entry.id;
  }

  callA(): Promise<string> {
    return outcomeOf(this.#onA);
  }

  /** Calls B's gRPC server in even rounds, and its HTTP server in odd ones. */
  callB(round: number): Promise<string> {
    return outcomeOf(round % 2 === 0 ? this.#onB.grpc : this.#onB.http);
  }
}

async function createServiceAccount(admin: Client, direct = permissions): Promise<string> {
  const request = { accountId, name: "Bot", permissions: direct };
  return (await admin.serviceAccounts.create(request)).id;
}

async function makeReaders(admin: Client): Promise<{ policyId: string; groupId: string }> {
  const text = 'permit (principal, action in [Action::"Accounts.read"], resource);';
  const { id: policyId } = await admin.policies.create({ name: "Readers", text });
  const { id: groupId } = await admin.groups.create({ name: "Readers" });
  await admin.policies.attach({ policyId, targetId: groupId });
  return { policyId, groupId };
}

function issueKey(admin: Client, serviceAccountId: string): Promise<IssuedApiKey> {
  return admin.apiKeys.issue({ serviceAccountId, permissions });
}

/** Makes a call that takes `Accounts.read`: "OK", or the code and the reason of its refusal. */
async function outcomeOf(client: Client): Promise<string> {
  try {
    await client.accounts.get({ accountId });
    return "OK";
  } catch (error) {
    if (!(error instanceof PdaasError)) throw error;
    return `${error.code} ${error.reason ?? error.message}`;
  }
}

/** How many there are of each. */
function tally(outcomes: string[]): Record<string, number> {
  const groups = Map.groupBy(outcomes, (outcome) => outcome);
  return Object.fromEntries([...groups].map(([outcome, { length }]) => [outcome, length]));
}

test.each(Object.keys(changes))(
  "once A has answered %s, B refuses the key's next call, every time",
  async (name) => {
    const change = changes[name] as Change;
    const rounds = (await Promise.all(lanes.map((lane) => manyRounds(lane, change)))).flat();
    const before = tally(rounds.map((round) => round.before));
    const after = tally(rounds.map((round) => round.after));
    const count = roundsOfLane * laneCount;
    const expected = { before: { OK: count }, after: { [change.refusal]: count } };
    expect({ before, after }).toEqual(expected);
  },
  300_000,
);

/** @returns what B answered the last call before each change, and the first one after it */
async function manyRounds(lane: Lane, change: Change) {
  const rounds: { before: string; after: string }[] = [];
  for (let round = 0; round < roundsOfLane; round++) {
    await lane.renew(change, round);
    // From here on B has the key in its cache.
    const before = await lane.callB(round);
    await change.make(lane);
    const after = await lane.callB(round);
    rounds.push({ before, after });
  }
  return rounds;
}

test("of what A cannot tell Redis, B knows within two seconds", async () => {
  const kinds = Object.values(changes);
  const [lane, change] = [lanes[0] as Lane, kinds[0] as Change];
  await cable.cut();
  await Promise.all(lanes.map((each, i) => lateRounds(each, kinds[i % kinds.length] as Change)));
  await lane.renew(change, 0);
  expect(await lane.callA()).toBe("unavailable REPLAY_STORE_UNAVAILABLE");
  await cable.mend();
  await expect.poll(() => lane.callA(), { timeout: 5_000 }).toBe("OK");
}, 60_000);

/** Also holds that A is cut off: it admits nobody. */
async function lateRounds(lane: Lane, change: Change): Promise<void> {
  for (let round = 0; round < 4; round++) {
    await lane.renew(change, round);
    expect(await lane.callA()).toBe("unavailable REPLAY_STORE_UNAVAILABLE");
    expect(await lane.callB(round)).toBe("OK");
    await change.make(lane);
    const calls = await callsOf(lane, round);
    const known = calls.findIndex(({ outcome }) => outcome !== "OK");
    expect(calls[known]?.ms).toBeLessThanOrEqual(2_000);
    const late = tally(calls.slice(known).map(({ outcome }) => outcome));
    expect(late).toEqual({ [change.refusal]: calls.length - known });
  }
}

/** Calls B for a while. @returns what each call was answered, and how many milliseconds from now */
async function callsOf(lane: Lane, round: number) {
  const began = performance.now();
  const calls: { outcome: string; ms: number }[] = [];
  while (performance.now() - began < 2_500) {
    const outcome = await lane.callB(round);
    calls.push({ outcome, ms: performance.now() - began });
    await setTimeout(50);
  }
  return calls;
}
