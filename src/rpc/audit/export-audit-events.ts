import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import {
  AuditEventSchema,
  AuditExportFormat,
  type AuditService,
  type ExportAuditEventsRequest,
  type ExportAuditEventsResponseSchema,
} from "../../../gen/pdaas/v1/audit_service_pb.ts";
import { invalidFields } from "../../errors.ts";
import { lastAuditEntryBefore } from "../../store/audit-retention.ts";
import { auditEntriesAfter, auditHead } from "../../store/audit-tail.ts";
import type { Database } from "../../store/database.ts";
import type { StreamHandler } from "../handler.ts";
import { csvHeader, toCsv } from "./export-csv.ts";
import { jsonLines } from "./export-json-lines.ts";
import { toOcsf } from "./export-ocsf.ts";
import { toAuditEvent } from "./to-audit-event.ts";
import { readTree } from "./tree-head.ts";

const pageSize = 500;
/** So many entries are looked at in one query, however few of them match. */
const windowSize = 5_000;
const chunkLength = 64 * 1024;

export const exportAuditEvents: StreamHandler<typeof AuditService.method.exportAuditEvents> = (
  app,
  call,
  request,
) => {
  const { organizationId } = call.principal;
  return inChunks(
    request.format === AuditExportFormat.JSON_LINES
      ? provableLines(app.db, organizationId, request)
      : plainLines(app.db, organizationId, request),
  );
};

async function* provableLines(
  db: Database,
  organizationId: string,
  request: ExportAuditEventsRequest,
): AsyncGenerator<string> {
  const current = await readTree(db, organizationId);
  const { tree, instanceSize } = current;
  ensureProvable(request, tree.size, instanceSize);
  const first = await firstSequence(db, organizationId, request);
  // A log that has nothing so late is told by its last event.
  const from = Math.min(first, tree.size);
  const consistentWith = request.consistentWith.map(Number);
  yield* jsonLines(db, { organizationId, from, current, consistentWith });
}

/** @throws ServiceError FIELD_INVALID */
function ensureProvable(request: ExportAuditEventsRequest, size: number, instanceSize: number) {
  const { fromSequence, toSequence, endTime, consistentWith } = request;
  const noEnd = "must not be set: JSON lines go on to the newest event, which the checkpoint is of";
  const violations = [
    ...(toSequence !== 0n ? [{ field: "to_sequence", description: noEnd }] : []),
    ...(endTime !== undefined ? [{ field: "end_time", description: noEnd }] : []),
    ...(fromSequence > size
      ? [{ field: "from_sequence", description: `must not be above ${size}, the newest event` }]
      : []),
    ...(consistentWith.some((each) => each > instanceSize)
      ? [{ field: "consistent_with", description: `must not be above ${instanceSize}` }]
      : []),
  ];
  if (violations.length > 0) throw invalidFields(violations);
}

async function firstSequence(
  db: Database,
  organizationId: string,
  { fromSequence, startTime }: ExportAuditEventsRequest,
): Promise<number> {
  const from = Math.max(Number(fromSequence), 1);
  if (startTime === undefined) return from;
  return Math.max(
    from,
    1 + (await lastAuditEntryBefore(db, organizationId, timestampDate(startTime))),
  );
}

async function* plainLines(
  db: Database,
  organizationId: string,
  request: ExportAuditEventsRequest,
): AsyncGenerator<string> {
  const isCsv = request.format === AuditExportFormat.CSV;
  if (isCsv) yield csvHeader;
  const head = await auditHead(db, organizationId);
  const last = Math.min(Number(request.toSequence) || head, head);
  const times = { startTime: dateOf(request.startTime), endTime: dateOf(request.endTime) };
  for (let after = (await firstSequence(db, organizationId, request)) - 1; after < last; ) {
    const upTo = Math.min(last, after + windowSize);
    const page = { after, upTo, limit: pageSize };
    const rows = await auditEntriesAfter(db, organizationId, times, page);
    for (const row of rows) {
      const event = create(AuditEventSchema, toAuditEvent(row));
      yield isCsv ? toCsv(event) : toOcsf(organizationId, event);
    }
    after = rows.length < pageSize ? upTo : (rows.at(-1)?.sequence ?? upTo);
  }
}

const dateOf = (time: Timestamp | undefined) => time && timestampDate(time);

async function* inChunks(
  lines: AsyncIterable<string>,
): AsyncGenerator<MessageInitShape<typeof ExportAuditEventsResponseSchema>> {
  let text = "";
  for await (const line of lines) {
    text += line;
    if (text.length < chunkLength) continue;
    yield { chunk: Buffer.from(text) };
    text = "";
  }
  if (text !== "") yield { chunk: Buffer.from(text) };
}
