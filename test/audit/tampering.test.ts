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
  service.database.query<{ sequence: string; entry: Buffer }>(statement, values);

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

test("an event is deleted", async () => {
  await sql("delete from audit_entries where sequence = 4");
  expect((await messages())[0]).toBe("Event 4 is missing.");
});

/** Writes an event of somebody's making. */
async function insert(sequence: string): Promise<void> {
  const columns = "organization_id, principal_type, principal_id, api_key_id, session_id, action";
  const more = "resource_type, resource_id, parent_id, account_id, outcome, reason, request_id";
  const rest = `${columns}, ${more}, address, entry, personal`;
  await sql(
    `insert into audit_entries (sequence, id, time, ${rest})
     select ${sequence}, 'evt_made_up', time + interval '1 second', ${rest}
     from audit_entries where sequence = 3`,
  );
}

const size = "(select size from audit_trees)";

test("an event is inserted beside another", async () => {
  await insert("4");
  expect(await messages()).toContain("There is another event with the number 4.");
});

test.each([
  ["at the end", `${size} + 1`],
  ["far behind the end", `${size} + 1000000`],
  ["before the first", "0"],
])("an event is inserted %s", async (_, sequence) => {
  await insert(sequence);
  const [row] = await sql("select sequence from audit_entries where id = 'evt_made_up'");
  const own = `Event ${row?.sequence} is not among the events 1 to`;
  expect(await messages()).toContainEqual(expect.stringContaining(own));
});

test("an event is inserted, and those behind it are moved on", async () => {
  await sql("update audit_entries set sequence = sequence + 1 where sequence >= 4");
  await insert("4");
  await sql("update audit_trees set size = size + 1");
  const verification = verified().catch((error) => ({ isComplete: false, error }));
  expect(await verification).toMatchObject({ isComplete: false });
  await sql("update audit_trees set size = size - 1");
  const putIn = "Event 4 is put in, and what was behind has other numbers.";
  expect(await messages()).toContain(putIn);
});

test.each([
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
    "update audit_log set checkpoint = regexp_replace(checkpoint, '\\n\\d+\\n', E'\\n999\\n')",
  );
  const kinds = (await verified()).findings.map(({ kind }) => kind);
  expect(kinds).toContain("signature");
});
