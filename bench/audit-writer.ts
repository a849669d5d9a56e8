// Writes events of the audit log as the service does, more than it would, and looks how long they wait.
// A machine that is busy with other things may not keep up: then fewer are written, which is told.

import { setTimeout as delay } from "node:timers/promises";
import { AuditOutcome } from "../gen/pdaas/v1/audit_service_pb.ts";
import { toEvent } from "../src/audit/entry.ts";
import { auditLagSeconds, insertAuditEvents } from "../src/store/audit-pending.ts";
import { type Database, openDatabase, type Queryable } from "../src/store/database.ts";
import { answer, type Messages } from "./process.ts";

const perSecond = 5_000;
const seconds = 10;
const batchSize = 250;
/** So many wait when it is measured how fast they are sequenced. */
const backlog = 30_000;

const db = openDatabase({ connectionString: process.env.PDAAS_DATABASE_URL ?? "" });
process.on("SIGTERM", () => db.destroy().then(() => process.exit(0)));
answer(true, { lag: () => measureLag(db), drained: () => measureDrain(db) });

async function measureLag(db: Database): Promise<Messages["lag"]> {
  const organizationId = await findOrganizationId(db);
  const lags: number[] = [];
  let isWriting = true;
  const watching = (async () => {
    while (isWriting) {
      lags.push((await auditLagSeconds(db)) * 1_000);
      await delay(20);
    }
  })();
  const began = performance.now();
  for (let written = 0; written < perSecond * seconds; written += batchSize) {
    await write(db, organizationId, batchSize);
    await delay(Math.max(0, (written / perSecond) * 1_000 - (performance.now() - began)));
  }
  const took = (performance.now() - began) / 1_000;
  isWriting = false;
  await watching;
  const p99 = lags.toSorted((a, b) => a - b)[Math.floor(lags.length * 0.99)] as number;
  return { p99, writtenPerSecond: (perSecond * seconds) / took };
}

/** @returns how many events that wait get their place in the log, per second */
async function measureDrain(db: Database): Promise<number> {
  const organizationId = await findOrganizationId(db);
  // All of it shows at once.
  await db.transaction().execute(async (tx) => {
    for (let i = 0; i < backlog; i += batchSize) await write(tx, organizationId, batchSize);
  });
  const began = performance.now();
  while ((await auditLagSeconds(db)) > 0) await delay(5);
  return backlog / ((performance.now() - began) / 1_000);
}

async function write(db: Queryable, organizationId: string, count: number): Promise<void> {
  const call = {
    organizationId,
    principal: undefined,
    action: "CreateServiceAccount",
    resourceType: "ServiceAccount",
    resourceId: "svc_01h455vb4pex5vsknk084sn02q",
    accountId: "acc-123",
    requestId: "req_0123456789abcdef0123456789abcdef",
    address: "192.0.2.7",
    userAgent: "pdaas-typescript/0.1.0 connect-es/2.2.0 node/24",
    changes: [{ field: "name", before: '"Before"', after: '"After"', isPersonal: false }],
  };
  const result = { outcome: AuditOutcome.OK, reason: "", time: new Date(), count: 1 };
  await insertAuditEvents(
    db,
    Array.from({ length: count }, () => toEvent(call, result)),
  );
}

async function findOrganizationId(db: Database): Promise<string> {
  return (await db.selectFrom("organizations").select("id").executeTakeFirstOrThrow()).id;
}
