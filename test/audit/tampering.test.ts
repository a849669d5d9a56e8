import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type AuditVerification, verifyAuditExport } from "pdaas";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AuditEntrySchema } from "../../gen/pdaas/v1/audit_entry_pb.ts";
import { TestService } from "../harness/service.ts";

// What somebody does who may write the database, and has not the master key.

let service: TestService;
let verifierKey: string;
let saved: string;
const sql = (statement: string, values: unknown[] = []) =>
  service.database.query<{ entry: Buffer }>(statement, values);

beforeEach(async () => {
  service = await TestService.start();
  for (let at = 1; at <= 6; at++) {
    await service.admin.accounts.create({ accountId: `tampering-${at}`, name: "before" });
  }
  await service.auditRows("action = 'CreateAccount'", [], 6);
  ({ text: saved, verifierKey } = await service.admin.auditEvents.checkpoint());
});
afterEach(() => service[Symbol.asyncDispose]());

async function exported(): Promise<string[]> {
  const chunks = await Array.fromAsync(service.admin.auditEvents.export());
  return Buffer.concat(chunks).toString().trimEnd().split("\n");
}

async function verified(): Promise<AuditVerification> {
  const checkpoints = [{ name: "saved", text: saved }];
  return verifyAuditExport({ lines: await exported(), verifierKeys: [verifierKey], checkpoints });
}

const messages = async () => (await verified()).findings.map(({ message }) => message);

test("what was left alone is complete and unchanged", async () => {
  expect(await verified()).toMatchObject({ isComplete: true, findings: [] });
});

test("an event is changed", async () => {
  const [row] = await sql("select entry from audit_entries where sequence = 4");
  const entry = fromBinary(AuditEntrySchema, row?.entry ?? Buffer.of());
  const changed = { ...entry, principalId: "usr_nobody" };
  const bytes = Buffer.from(toBinary(AuditEntrySchema, changed));
  await sql("update audit_entries set entry = $1 where sequence = 4", [bytes]);
  expect(await messages()).toEqual(["The bytes of event 4 are not those that were recorded."]);
});

test("an address is changed", async () => {
  await sql(
    `update audit_entries set personal = jsonb_set(personal, '{address,value}', '"192.0.2.1"')
     where sequence = 4`,
  );
  expect(await messages()).toEqual(["Event 4 was not recorded with this address."]);
});

test("two events are swapped", async () => {
  await sql(
    `update audit_entries as one set entry = other.entry, personal = other.personal
     from audit_entries as other where (one.sequence, other.sequence) in ((3, 5), (5, 3))`,
  );
  expect(await messages()).toEqual(["Events 3 and 5 are swapped."]);
});

test("an event is taken out, and those behind it have its number", async () => {
  await sql(
    `update audit_entries as one set entry = other.entry, personal = other.personal
     from audit_entries as other where one.sequence >= 4 and other.sequence = one.sequence + 1`,
  );
  expect((await messages())[0]).toMatch(/^Event 4 is taken out, and what was behind/);
});

test.each([
  ["an event is deleted", "delete from audit_entries where sequence = 4"],
  ["the last event is forgotten", "update audit_trees set size = size - 1"],
  ["the tree is forgotten", "delete from audit_trees"],
])("%s: no export is complete", async (_, statement) => {
  await sql(statement);
  const verification = verified().catch((error) => ({ isComplete: false, error }));
  expect(await verification).toMatchObject({ isComplete: false });
});

test("an event is changed, with the hash that the tree has for it", async () => {
  await sql(
    `update audit_tiles set hashes = overlay(hashes placing sha256('x') from 97 for 32)
     where level = 0 and tree_id = $1`,
    [service.organizationId],
  );
  const kinds = (await verified()).findings.map(({ kind }) => kind);
  expect(kinds.slice(0, 2)).toEqual(["changed", "rewritten"]);
});

test("a checkpoint of another size is put into the place of the one that was signed", async () => {
  await sql(
    "update audit_log set checkpoint = regexp_replace(checkpoint, '\\n\\d+\\n', E'\\n2\\n')",
  );
  const kinds = (await verified()).findings.map(({ kind }) => kind);
  expect(kinds).toContain("signature");
});
