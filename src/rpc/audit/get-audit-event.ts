import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AuditProofSchema, AuditService } from "../../../gen/pdaas/v1/audit_service_pb.ts";
import { inclusionNodes } from "../../audit/merkle.ts";
import { readProof } from "../../audit/tiles.ts";
import { Code, notFound, ServiceError } from "../../errors.ts";
import { leastIdAt } from "../../ids.ts";
import { type AuditEventRow, findAuditEvent } from "../../store/audit-events.ts";
import { findAuditDrop } from "../../store/audit-retention.ts";
import type { Database } from "../../store/database.ts";
import type { Handler } from "../handler.ts";
import { toAuditEvent } from "./to-audit-event.ts";
import { readTree } from "./tree-head.ts";

export const getAuditEvent: Handler<typeof AuditService.method.getAuditEvent> = async (
  app,
  call,
  { auditEventId: id },
) => {
  const row = await findAuditEvent(app.db, call.principal.organizationId, id);
  if (row === undefined) throw await missing(app.db, call.principal.organizationId, id);
  return { auditEvent: toAuditEvent(row), proof: await proofOf(app.db, row) };
};

/** What is not there may have been dropped: only the time of its identifier tells. */
async function missing(db: Database, organizationId: string, id: string): Promise<ServiceError> {
  const before = (await findAuditDrop(db, organizationId))?.droppedBefore;
  if (before === undefined || id >= leastIdAt("evt", before)) return notFound("audit event", id);
  return new ServiceError(
    Code.notFound,
    "AUDIT_EVENT_DROPPED",
    `There is no audit event ${id} any more: what happened before ${before.toISOString()} was dropped, as your organization keeps its audit log no longer. An export still proves the others.`,
    { metadata: { dropped_before: String(before.getTime() / 1_000) } },
  );
}

async function proofOf(
  db: Database,
  row: AuditEventRow,
): Promise<MessageInitShape<typeof AuditProofSchema>> {
  const { organization_id: organizationId, sequence, entry, personal } = row;
  // Read after the event, so that the tree has it.
  const { tree, head } = await readTree(db, organizationId);
  const leafIndex = sequence - 1;
  const nodes = inclusionNodes(leafIndex, tree.size);
  return {
    entry,
    reveals: Object.entries(personal).map(([name, { salt, value }]) => ({
      name,
      salt: Buffer.from(salt, "base64"),
      value,
    })),
    leafIndex: BigInt(leafIndex),
    treeSize: BigInt(tree.size),
    inclusion: await readProof(db, organizationId, nodes),
    head,
  };
}
