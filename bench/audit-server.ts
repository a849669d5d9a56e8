// The service with a key that may change things, whose changes can be made without the audit log.

import { sql } from "kysely";
import type { AuditLog } from "../src/audit/audit-log.ts";
import { createDemo } from "../src/embedded/demo.ts";
import type { App } from "../src/rpc/app.ts";
import { serve } from "./service.ts";

await serve(
  async (app, { administrator, accountId }) => {
    const demo = await createDemo(app, administrator, accountId);
    await sql`update service_accounts set permissions = '{*}'`.execute(app.db);
    return [demo];
  },
  ({ audit }: App) => {
    const recordChange: AuditLog["recordChange"] = audit.recordChange.bind(audit);
    const record = (recorder: AuditLog["recordChange"]) => async () => {
      audit.recordChange = recorder;
      return true as const;
    };
    return { recorded: record(recordChange), unrecorded: record(async () => {}) };
  },
);
