import { fromBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import {
  commitment,
  leafHash,
  openNote,
  parseCheckpoint,
  verifyConsistency,
  verifyInclusion,
  verifyTreeHead,
} from "pdaas/audit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AuditEntrySchema } from "../../gen/pdaas/v1/audit_entry_pb.ts";
import { type AuditProof, AuditService, AuditTree } from "../../gen/pdaas/v1/audit_service_pb.ts";
import { refusalOf, signedTransport } from "../harness/clients.ts";
import { type TestKey, TestService } from "../harness/service.ts";

let service: TestService;
let key: TestKey;

beforeAll(async () => {
  service = await TestService.start();
  key = await service.issueKey();
  await grow(30);
});
afterAll(() => service[Symbol.asyncDispose]());

const client = () =>
  createClient(AuditService, signedTransport("connect-node gRPC, gRPC server", service, key));

/** Waits until so many more events have their numbers. */
async function grow(count: number): Promise<void> {
  const before = await service.database.query("select id from audit_entries");
  for (let i = 0; i < count; i++) {
    await service.admin.serviceAccounts.create({ accountId: "acc-123", name: "Grown" });
  }
  await service.auditRows("true", [], before.length + count);
}

async function head() {
  const { head, verifierKey } = await client().getCheckpoint({});
  return verified(head, verifierKey);
}

function verified(head: AuditProof["head"], verifierKey: string) {
  if (head === undefined) throw new Error("no head");
  const { checkpoint: note, leaf, leafIndex, inclusion: inclusionProof } = head;
  const tree = { note, leaf, leafIndex: Number(leafIndex), inclusionProof };
  return verifyTreeHead(tree, [verifierKey]);
}

/** Holds that an entry is in the log by its proof alone. @returns the entry */
function verify(proof: AuditProof | undefined, verifierKey: string) {
  if (proof === undefined) throw new Error("no proof");
  const { organization } = verified(proof.head, verifierKey);
  expect(organization).toMatchObject({
    organizationId: service.organizationId,
    size: Number(proof.treeSize),
  });
  const { size, root } = organization;
  const leaf = leafHash(proof.entry);
  expect(verifyInclusion(leaf, Number(proof.leafIndex), size, proof.inclusion, root)).toBe(true);
  return fromBinary(AuditEntrySchema, proof.entry);
}

async function allIds(): Promise<string[]> {
  const rows = await service.database.query<{ id: string }>(
    "select id from audit_entries order by sequence",
  );
  return rows.map(({ id }) => id);
}

test("every event has a proof that holds by itself", async () => {
  const { verifierKey } = await client().getCheckpoint({});
  const ids = await allIds();
  for (const [i, auditEventId] of ids.entries()) {
    const { auditEvent, proof } = await client().getAuditEvent({ auditEventId });
    expect(verify(proof, verifierKey).id).toBe(auditEventId);
    expect(auditEvent?.sequence).toBe(BigInt(i + 1));
  }
});

test("the entry commits to what is revealed beside it", async () => {
  const [event] = await Array.fromAsync(
    service.admin.auditEvents.list({ action: "CreateServiceAccount", pageSize: 1 }),
  );
  const { verifierKey } = await client().getCheckpoint({});
  const { proof } = await client().getAuditEvent({ auditEventId: event?.id ?? "" });
  const entry = verify(proof, verifierKey);
  const address = proof?.reveals.find(({ name }) => name === "address");
  if (address === undefined) throw new Error("the address is not revealed");
  expect(address.value).toBe("127.0.0.1");
  expect(commitment(address.salt, address.value)).toEqual(Buffer.from(entry.addressCommitment));
});

test("what is erased beside an entry leaves its proof as it was", async () => {
  const before = await head();
  const auditEventId = (await allIds()).at(-1) ?? "";
  await service.database.query(
    "update audit_entries set personal = '{}', address = '' where id = $1",
    [auditEventId],
  );
  const { verifierKey } = await client().getCheckpoint({});
  const { auditEvent, proof } = await client().getAuditEvent({ auditEventId });
  expect(proof?.reveals).toEqual([]);
  expect(auditEvent?.address).toBe("");
  expect(verify(proof, verifierKey).addressCommitment).toHaveLength(32);
  expect((await head()).organization.root).toEqual(before.organization.root);
});

test("both trees have only grown, from any size to any other", async () => {
  const old = await head();
  await grow(20);
  const now = await head();
  const trees = [
    [AuditTree.ORGANIZATION, old.organization, now.organization],
    [AuditTree.INSTANCE, old.checkpoint, now.checkpoint],
  ] as const;
  for (const [tree, before, after] of trees) {
    const sizes = { oldSize: BigInt(before.size), newSize: BigInt(after.size) };
    const { hashes } = await client().getConsistencyProof({ tree, ...sizes });
    expect(after.size).toBeGreaterThan(before.size);
    expect(verifyConsistency(before.size, before.root, after.size, after.root, hashes)).toBe(true);
  }
});

test("a consistency proof goes to the present where no size is asked for", async () => {
  const { organization } = await head();
  const answer = await client().getConsistencyProof({ oldSize: 1n });
  expect(answer.newSize).toBe(BigInt(organization.size));
});

test.each([
  [{ oldSize: 1_000_000n }, "old_size"],
  [{ newSize: 1_000_000n }, "new_size"],
  [{ oldSize: 5n, newSize: 4n }, "old_size"],
])("there is no consistency proof of %o", async (sizes, field) => {
  const refusal = await refusalOf(client().getConsistencyProof(sizes));
  expect(refusal).toMatchObject({ code: "invalid_argument", reason: "FIELD_INVALID" });
  expect(refusal.message).toContain(field);
});

test("an event of another organization is not there", async () => {
  const auditEventId = "evt_01m83v6b6be4c9r7ps5bhrbsjs";
  expect(await refusalOf(client().getAuditEvent({ auditEventId }))).toMatchObject({
    reason: "RESOURCE_NOT_FOUND",
  });
});

test("the checkpoint is the installation's, and nobody else's", async () => {
  const { head, verifierKey } = await client().getCheckpoint({});
  const { text } = openNote(head?.checkpoint ?? "", [verifierKey]);
  const [row] = await service.database.query<{ id: string }>("select id from instance");
  expect(parseCheckpoint(text).origin).toBe(`pdaas/${row?.id}`);
  const forged = head?.checkpoint.replace(/\n\d+\n/, "\n7\n") ?? "";
  expect(() => openNote(forged, [verifierKey])).toThrow(/does not fit/);
});
