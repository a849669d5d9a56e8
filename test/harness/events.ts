import { AuditOutcome } from "../../gen/pdaas/v1/audit_service_pb.ts";
import { type AuditedCall, toEvent } from "../../src/audit/entry.ts";
import { newRequestId } from "../../src/ids.ts";
import { insertAuditEvents } from "../../src/store/audit-pending.ts";
import type { Queryable } from "../../src/store/database.ts";
import type { TestService } from "./service.ts";

const batchSize = 500;

interface EventOptions extends Partial<AuditedCall> {
  reason?: string;
  /** A transaction, for events that are there when it commits. */
  db?: Queryable;
  time?: Date;
}

/** Records refusals of different calls. */
export async function recordEvents(
  { service, organizationId }: Pick<TestService, "service" | "organizationId">,
  count: number,
  { reason = "TEST", db = service.app.db, time = new Date(), ...call }: EventOptions = {},
): Promise<void> {
  const events = Array.from({ length: count }, (_, i) =>
    toEvent(
      {
        organizationId,
        principal: undefined,
        action: "GetAccount",
        resourceType: "Account",
        resourceId: `acc-${i}`,
        requestId: newRequestId(),
        address: "127.0.0.1",
        userAgent: "",
        ...call,
      },
      { outcome: AuditOutcome.REFUSED, reason, time, count: 1 },
    ),
  );
  for (let at = 0; at < count; at += batchSize) {
    await insertAuditEvents(db, events.slice(at, at + batchSize));
  }
}
