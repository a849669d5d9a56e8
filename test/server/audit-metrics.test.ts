import { expect, test } from "vitest";
import { TestService } from "../harness/service.ts";

test("the metrics tell how far the audit log is behind", async () => {
  await using service = await TestService.start();
  const lag = async () => {
    const text = await (await fetch(`${service.httpUrl}/metrics`)).text();
    return Number(/^pdaas_audit_lag_seconds (\S+)$/m.exec(text)?.[1]);
  };
  await expect.poll(lag, { timeout: 10_000 }).toBe(0);
  const { database } = service;
  // Holds the sequencer up.
  await database.query("alter table audit_log rename to audit_log_away");
  await service.issueKey();
  await expect.poll(lag, { timeout: 10_000 }).toBeGreaterThan(0.5);
  await database.query("alter table audit_log_away rename to audit_log");
  await expect.poll(lag, { timeout: 20_000 }).toBe(0);
});
