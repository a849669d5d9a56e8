import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pdaas";
import { expect, test } from "vitest";
import { ServiceProcess } from "../harness/process.ts";

/** The events that a process has printed. */
function printed({ output }: ServiceProcess) {
  const lines = output.split("\n").filter((line) => line.startsWith('{"organizationId"'));
  return lines.map(
    (line) => JSON.parse(line) as { auditEvent: { sequence: string; action: string } },
  );
}

test("a process prints each event from its start on, in the order of the log", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pdaas-printer-"));
  const settings = { PDAAS_DATA_DIR: join(folder, "data"), PDAAS_AUDIT_STDOUT: "true" };
  const first = await ServiceProcess.start(settings);
  const { password = "" } = first;
  const admin = (baseUrl: string) =>
    new Client({ baseUrl, email: "admin@myorg.example", organizationSlug: "myorg", password });
  const create = async (service: ServiceProcess, name: string) => {
    const client = admin(service.httpUrl);
    for (let i = 0; i < 5; i++) {
      await client.serviceAccounts.create({ accountId: "acc-123", name: `${name} ${i}` });
    }
    await client.close();
  };
  const created = (service: ServiceProcess) =>
    printed(service).filter(({ auditEvent }) => auditEvent.action === "CreateServiceAccount");
  await create(first, "First");
  // One is of the demo.
  await expect.poll(() => created(first).length, { timeout: 10_000 }).toBe(6);
  await first.stop();
  const sequences = printed(first).map(({ auditEvent }) => Number(auditEvent.sequence));
  expect(sequences).toEqual(sequences.map((_, at) => at + 1));
  expect(printed(first)[0]?.auditEvent.action).toBe("CreateFirstOrganization");

  const second = await ServiceProcess.start(settings);
  await create(second, "Second");
  await expect.poll(() => created(second).length, { timeout: 10_000 }).toBe(5);
  await second.stop();
  // What was there before it is not printed again, nor is anything left out.
  expect(Number(printed(second)[0]?.auditEvent.sequence)).toBe(sequences.length + 1);
  rmSync(folder, { recursive: true, force: true });
}, 120_000);
