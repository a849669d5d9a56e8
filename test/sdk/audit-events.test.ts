import {
  type AuditProof,
  Client,
  type PdaasError,
  verifyAuditEvent,
  verifyAuditExport,
} from "pdaas";
import { parseSavedCheckpoint, verifyConsistency, verifyTreeHead } from "pdaas/audit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TcpCable } from "../harness/cable.ts";
import { refusalOf } from "../harness/clients.ts";
import { administrator, TestService } from "../harness/service.ts";

let service: TestService;
let verifierKey: string;
/** Events get into the log within a moment, and clients connect again within seconds. */
const patient = { timeout: 15_000 };

beforeAll(async () => {
  service = await TestService.start();
  await service.admin.organizations.getInfo();
  // Until there is one, the client asks again.
  ({ verifierKey } = await service.admin.auditEvents.checkpoint());
});
afterAll(() => service[Symbol.asyncDispose]());

/** The newest checkpoint, once it has at least so many events. */
async function checkpointOf(size: number) {
  const sizeNow = async () => (await service.admin.auditEvents.checkpoint()).size;
  await expect.poll(sizeNow, patient).toBeGreaterThanOrEqual(size);
  return service.admin.auditEvents.checkpoint();
}

/** Makes events; @returns their resources. */
async function makeAccounts(count: number, prefix: string): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, at) => `${prefix}-${at + 1}`);
  for (const id of ids) await service.admin.accounts.create({ accountId: id, name: id });
  return ids;
}

const eventsOf = (action: string) => service.admin.auditEvents.list({ action }).page();

describe("get", () => {
  test("gives an event with a proof that holds, and that holds for nothing else", async () => {
    await makeAccounts(2, "proof");
    const created = async () => (await eventsOf("CreateAccount")).items;
    await expect.poll(created, patient).toHaveLength(2);
    const [last, first] = (await created()).map(({ id }) => id) as [string, string];
    const { event, proof } = await service.admin.auditEvents.get({ auditEventId: last });
    expect(event.resourceId).toBe("proof-2");
    const verified = verifyAuditEvent(proof, [verifierKey]);
    expect(verified.event).toEqual(event);
    expect(verified.organization.organizationId).toBe(service.organizationId);
    const { proof: other } = await service.admin.auditEvents.get({ auditEventId: first });
    const address = {
      salt: new Uint8Array(),
      ...proof.personal.get("address"),
      value: "192.0.2.1",
    };
    const changed = (change: Partial<AuditProof>) => () =>
      verifyAuditEvent({ ...proof, ...change }, [verifierKey]);
    expect(changed({ entry: other.entry })).toThrow(/event is not in/);
    expect(changed({ leafIndex: other.leafIndex })).toThrow(/event is not in/);
    expect(changed({ head: { ...proof.head, leafIndex: 0 } })).toThrow(/tree is not in/);
    expect(changed({ personal: new Map([["address", address]]) })).toThrow(/with this address/);
    expect(() => verifyAuditEvent(proof, [])).toThrow(/No known key/);
  });

  test("refuses what is not there", async () => {
    const auditEventId = "evt_01h455vb4pex5vsknk084sn02q";
    const refusal = await refusalOf(service.admin.auditEvents.get({ auditEventId }));
    expect(refusal).toMatchObject({ code: "not_found" });
  });
});

/** What a checkpoint says of a tree. */
function treeOf(text: string, tree: "organization" | "instance"): { size: number; root: Buffer } {
  const { checkpoint, organization } = verifyTreeHead(parseSavedCheckpoint(text), [verifierKey]);
  return tree === "instance" ? checkpoint : organization;
}

describe("checkpoint and consistencyProof", () => {
  test.each(["organization", "instance"] as const)(
    "show that a tree has grown: %s",
    async (tree) => {
      const before = await checkpointOf(1);
      await makeAccounts(3, `growth-${tree}`);
      const after = await checkpointOf(before.size + 3);
      const [old, now] = [treeOf(before.text, tree), treeOf(after.text, tree)];
      const sizes = { oldSize: old.size, newSize: now.size };
      const proof = await service.admin.auditEvents.consistencyProof({ tree, ...sizes });
      expect(proof).toMatchObject(sizes);
      const holds = (root: Buffer) =>
        verifyConsistency(old.size, old.root, now.size, root, proof.hashes);
      expect([holds(now.root), holds(old.root)]).toEqual([true, false]);
    },
  );

  test("name the organization, and the key that it is signed with", async () => {
    const checkpoint = await checkpointOf(1);
    expect(checkpoint).toMatchObject({ organizationId: service.organizationId, verifierKey });
    expect(checkpoint.text).not.toContain("\n");
  });
});

/** What a tail has given so far. */
function follow(client: Client, params: object, signal?: AbortSignal) {
  const got: { sequence: number; resourceId: string }[] = [];
  const ended = (async () => {
    for await (const event of client.auditEvents.tail(params, { signal })) got.push(event);
  })();
  // Until somebody waits for it, its failure is nobody's.
  ended.catch(() => {});
  return { got, ended };
}

const userVia = (baseUrl: string, transport: "connect" | "grpc" = "connect") =>
  new Client({ baseUrl, ...administrator, transport });

describe.each(["connect", "grpc"] as const)("tail over %s", (transport) => {
  const baseUrl = () => (transport === "grpc" ? service.grpcUrl : service.httpUrl);
  const created = { action: "CreateAccount" };

  test("gives what there is and what comes, in order, and ends with the loop", async () => {
    await makeAccounts(2, `${transport}-before`);
    const client = userVia(baseUrl(), transport);
    const expected = [1, 2, 3].map(
      (at) => `${transport}-${at < 3 ? "before" : "after"}-${((at - 1) % 2) + 1}`,
    );
    const got: string[] = [];
    for await (const { resourceId } of client.auditEvents.tail({ ...created, afterSequence: 0 })) {
      if (!resourceId.startsWith(transport)) continue;
      got.push(resourceId);
      if (got.length === 2) await makeAccounts(1, `${transport}-after`);
      if (got.length === 3) break;
    }
    expect(got).toEqual(expected);
    await client.close();
  });

  test("goes on where it was when the connection breaks, without a gap or a repetition", async () => {
    const cable = await TcpCable.lay(baseUrl(), { delayMs: 0 });
    const client = userVia(cable.url, transport);
    const stop = new AbortController();
    const { got, ended } = follow(client, { ...created, afterSequence: 0 }, stop.signal);
    const made: string[] = [];
    const own = () => got.filter(({ resourceId }) => resourceId.startsWith(`${transport}-cut`));
    const isUpToDate = () =>
      expect.poll(() => own().map(({ resourceId }) => resourceId), patient).toEqual(made);
    for (const round of [1, 2]) {
      made.push(...(await makeAccounts(2, `${transport}-cut-before-${round}`)));
      await isUpToDate();
      await cable.cut();
      made.push(...(await makeAccounts(2, `${transport}-cut-meanwhile-${round}`)));
      await cable.mend();
      await isUpToDate();
    }
    const sequences = got.map(({ sequence }) => sequence);
    expect(sequences).toEqual([...new Set(sequences)].sort((one, other) => one - other));
    stop.abort();
    await expect(ended).rejects.toMatchObject({ code: "cancelled" });
    await client.close();
    await cable.remove();
  });

  test("ends when its caller may not read the log any more", async () => {
    const key = await service.issueKey(["AuditEvents.read"]);
    const client = new Client({ baseUrl: baseUrl(), transport, ...key });
    const { got, ended } = follow(client, { afterSequence: 0 });
    await expect.poll(() => got.length, patient).toBeGreaterThan(0);
    await service.admin.apiKeys.revoke({ apiKeyId: key.apiKeyId, reason: "" });
    const error: PdaasError = await ended.then(
      () => undefined,
      (thrown) => thrown,
    );
    expect(error).toMatchObject({ code: "unauthenticated", reason: "SIGNATURE_INVALID" });
    await client.close();
  });

  test("goes on with another session when its own has ended", async () => {
    const client = userVia(baseUrl(), transport);
    const stop = new AbortController();
    const { got, ended } = follow(client, created, stop.signal);
    // Without a number it begins with what comes from now on, so make events until one is seen.
    let made = 0;
    const seen = async (prefix: string) => {
      await makeAccounts(1, `${prefix}-${++made}`);
      return got.length;
    };
    await expect.poll(() => seen(`${transport}-first`), patient).toBeGreaterThan(0);
    await client.logout();
    const before = got.length;
    await expect.poll(() => seen(`${transport}-second`), patient).toBeGreaterThan(before + 1);
    stop.abort();
    await expect(ended).rejects.toMatchObject({ code: "cancelled" });
    await client.close();
  });
});

describe("export", () => {
  const linesOf = async (chunks: AsyncIterable<Uint8Array>) =>
    Buffer.concat(await Array.fromAsync(chunks))
      .toString()
      .trimEnd()
      .split("\n");

  test.each(["connect", "grpc"] as const)("over %s can be verified offline", async (transport) => {
    const { auditEvents } = userVia(
      transport === "grpc" ? service.grpcUrl : service.httpUrl,
      transport,
    );
    const saved = await auditEvents.checkpoint();
    const published = parseSavedCheckpoint(saved.text).note;
    await makeAccounts(3, `export-${transport}`);
    await checkpointOf(saved.size + 3);
    const { size } = treeOf(saved.text, "instance");
    const lines = await linesOf(auditEvents.export({ consistentWith: [size] }));
    const checkpoints = [
      { name: "saved", text: saved.text },
      { name: "published", text: published },
    ];
    const given = { verifierKeys: [verifierKey], checkpoints };
    const verification = await verifyAuditExport({ lines, ...given });
    expect(verification).toMatchObject({ isComplete: true, findings: [], from: 1 });
    expect(verification.to).toBeGreaterThanOrEqual(saved.size + 3);
    const without = await verifyAuditExport({ lines: lines.toSpliced(1, 1), ...given });
    expect(without.findings[0]).toMatchObject({ kind: "gap", sequence: 2 });
  });

  test("may begin later, and come in other formats", async () => {
    const { auditEvents } = service.admin;
    const lines = await linesOf(auditEvents.export({ fromSequence: 3 }));
    const verification = await verifyAuditExport({ lines, verifierKeys: [verifierKey], from: 3 });
    expect(verification).toMatchObject({ isComplete: true, from: 3 });
    const csv = await linesOf(
      auditEvents.export({ format: "csv", fromSequence: 2, toSequence: 3 }),
    );
    expect(csv).toHaveLength(3);
  });

  test("fails where it is refused, and before it has given anything", async () => {
    const key = await service.issueKey(["Accounts.read"]);
    const chunks = linesOf(service.signed(key).auditEvents.export());
    expect(await refusalOf(chunks)).toMatchObject({ reason: "PERMISSION_MISSING" });
  });
});

test("erasePersonalData takes values away, and leaves every proof as it is", async () => {
  const key = await service.issueKey();
  const client = service.signed(key);
  await client.accounts.create({ accountId: "erased-1", name: "erased" });
  const { auditEvents } = service.admin;
  const principalId = key.serviceAccountId;
  const own = async () => (await auditEvents.list({ principalId }).page()).items;
  await expect.poll(own, patient).toHaveLength(1);
  const [{ id: auditEventId, address } = { id: "", address: "" }] = await own();
  expect(address).not.toBe("");
  expect(await auditEvents.erasePersonalData({ principalId })).toBe(1);
  const { event, proof } = await auditEvents.get({ auditEventId });
  expect(event).toMatchObject({ address: "", userAgent: "" });
  expect(verifyAuditEvent(proof, [verifierKey]).event).toEqual(event);
});
