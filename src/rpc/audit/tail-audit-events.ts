import type { AuditService } from "../../../gen/pdaas/v1/audit_service_pb.ts";
import { auditEntriesAfter, auditHead } from "../../store/audit-tail.ts";
import type { StreamHandler } from "../handler.ts";
import { toAuditEvent } from "./to-audit-event.ts";

/** Proxies take connections for dead on which nothing comes for a minute, and some for half of that. */
const signOfLifeMs = 15_000;
const pageSize = 200;
/** So many entries are looked at in one query, however few of them match. */
const windowSize = 5_000;

export const tailAuditEvents: StreamHandler<typeof AuditService.method.tailAuditEvents> =
  async function* (app, call, request) {
    const { organizationId } = call.principal;
    using followed = app.auditFeed.follow(organizationId);
    let head = await auditHead(app.db, organizationId);
    let sequence = Number(request.afterSequence ?? head);
    yield { sequence: BigInt(sequence) };
    for (;;) {
      while (sequence < head) {
        const upTo = Math.min(head, sequence + windowSize);
        const page = { after: sequence, upTo, limit: pageSize };
        const rows = await auditEntriesAfter(app.db, organizationId, request, page);
        for (const row of rows) {
          yield { auditEvent: toAuditEvent(row), sequence: BigInt(row.sequence) };
        }
        sequence = rows.length < pageSize ? upTo : (rows.at(-1)?.sequence ?? upTo);
      }
      await followed.head.beyond(sequence, signOfLifeMs, call.signal);
      call.ensureLive();
      head = await auditHead(app.db, organizationId);
      if (head <= sequence) yield { sequence: BigInt(sequence) };
    }
  };
